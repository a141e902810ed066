package c

// #cgo noescape zm_sort_watched
// #cgo nocallback zm_sort_watched
// #include "zmem.h"
import "C"

import "unsafe"

// SortKey is a zm_sort_key_t.
type SortKey uint32

// The keys of zmem.h.
const (
	SortBytes  = SortKey(C.ZM_SORT_BYTES)
	SortUint64 = SortKey(C.ZM_SORT_UINT64)
	SortInt64  = SortKey(C.ZM_SORT_INT64)
)

// Sort is zm_sort_watched. Other goroutines may use watch meanwhile.
func Sort(records []byte, key SortKey, off uintptr, scratch []byte, threads uint, watch *SortWatch) (fault uintptr, err Err) {
	var at C.size_t
	err = Err(C.zm_sort_watched(unsafe.Pointer(unsafe.SliceData(records)), C.size_t(len(records)),
		C.zm_sort_key_t(key), C.size_t(off), unsafe.Pointer(unsafe.SliceData(scratch)),
		C.size_t(len(scratch)), C.uint(threads), &at, (*C.zm_sort_watch_t)(unsafe.Pointer(watch))))
	return uintptr(at), err
}

// SortScratch is zm_sort_scratch.
func SortScratch(n uintptr) uintptr { return uintptr(C.zm_sort_scratch(C.size_t(n))) }

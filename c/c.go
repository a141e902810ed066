// Package c is the C core of zmem and its thin Go binding, the only import "C" in the module.
//
// It has no policy: each function is one call into C, whose contract stands in zmem.h. Programs
// import package z instead.
package c

// #cgo CFLAGS: -std=c11 -D_GNU_SOURCE
// #cgo LDFLAGS: -pthread -lm
// #cgo noescape zm_try_calloc
// #cgo nocallback zm_try_calloc
// #cgo noescape zm_free
// #cgo nocallback zm_free
// #cgo noescape zm_memstats
// #cgo nocallback zm_memstats
// #include "zmem.h"
import "C"

import "unsafe"

// Err is a zm_err_t.
type Err int

// The errors of zmem.h.
const (
	OK       = Err(C.ZM_OK)
	ENOMEM   = Err(C.ZM_ENOMEM)
	EINVAL   = Err(C.ZM_EINVAL)
	EBACKEND = Err(C.ZM_EBACKEND)
	ENOTSUP  = Err(C.ZM_ENOTSUP)
	ESYS     = Err(C.ZM_ESYS)
	ELIMIT   = Err(C.ZM_ELIMIT)
	EBUSY    = Err(C.ZM_EBUSY)
	ECORRUPT = Err(C.ZM_ECORRUPT)
	EVERSION = Err(C.ZM_EVERSION)
	ESTOPPED = Err(C.ZM_ESTOPPED)
)

// Error is zm_err_text.
func (e Err) Error() string { return C.GoString(C.zm_err_text(C.int(e))) }

// The limits of zmem.h, in bytes.
const (
	MaxSize  = C.ZM_MAX_SIZE
	MaxAlign = C.ZM_MAX_ALIGN
)

// TryCalloc is zm_try_calloc; nil where it fails.
func TryCalloc(n, align uintptr) (p unsafe.Pointer, err Err) {
	crossed()
	err = Err(C.zm_try_calloc(C.size_t(n), C.size_t(align), &p))
	return p, err
}

// Free is zm_free.
func Free(p unsafe.Pointer, n uintptr) {
	crossed()
	C.zm_free(p, C.size_t(n))
}

// GoodSize is zm_good_size.
func GoodSize(n uintptr) uintptr { return uintptr(C.zm_good_size(C.size_t(n))) }

// NumAllocBytes is zm_num_alloc_bytes.
func NumAllocBytes() int64 { return int64(C.zm_num_alloc_bytes()) }

// NumAllocs is zm_num_allocs.
func NumAllocs() int64 { return int64(C.zm_num_allocs()) }

// NumFileBytes is zm_num_file_bytes.
func NumFileBytes() int64 { return int64(C.zm_num_file_bytes()) }

// ReadMemStats is zm_memstats.
func ReadMemStats(s *MemStats) Err {
	return Err(C.zm_memstats((*C.zm_memstats_t)(unsafe.Pointer(s))))
}

// StatsText is zm_stats_text; the text is copied into a Go string and freed.
func StatsText() (string, Err) {
	var text *C.char
	if err := Err(C.zm_stats_text(&text)); err != OK {
		return "", err
	}
	defer C.zm_text_free(text)
	return C.GoString(text), OK
}

// ReturnMemory is zm_return_memory.
func ReturnMemory() Err { return Err(C.zm_return_memory()) }

// ReturnIdle is zm_return_idle.
func ReturnIdle() bool { return bool(C.zm_return_idle()) }

// Init is zm_init.
func Init() Err { return Err(C.zm_init()) }

// Backend is zm_backend.
func Backend() string { return C.GoString(C.zm_backend()) }

// Backends is zm_backends.
func Backends() string { return C.GoString(C.zm_backends()) }

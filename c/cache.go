package c

// #cgo noescape zm_depot_full
// #cgo nocallback zm_depot_full
// #cgo noescape zm_depot_empty
// #cgo nocallback zm_depot_empty
// #cgo noescape zm_depot_put
// #cgo nocallback zm_depot_put
// #include "zmem.h"
import "C"

import "unsafe"

// NewCache is zm_cache_new; nil where it fails.
func NewCache() (*Cache, Err) {
	var out *C.zm_cache_t
	err := Err(C.zm_cache_new(&out))
	return (*Cache)(unsafe.Pointer(out)), err
}

// Drain is zm_cache_drain.
func (k *Cache) Drain() { C.zm_cache_drain((*C.zm_cache_t)(unsafe.Pointer(k))) }

// Idle is zm_cache_idle.
func (k *Cache) Idle() bool { return bool(C.zm_cache_idle((*C.zm_cache_t)(unsafe.Pointer(k)))) }

// ClassSize is zm_class_size.
func ClassSize(class int) uintptr { return uintptr(C.zm_class_size(C.uint(class))) }

// NoMagazine is zm_no_magazine.
var NoMagazine = (*Magazine)(unsafe.Pointer(&C.zm_no_magazine))

// DepotFull is zm_depot_full.
func DepotFull(class uint, spent *Magazine) *Magazine {
	crossed()
	return (*Magazine)(unsafe.Pointer(C.zm_depot_full(C.uint(class),
		(*C.zm_magazine_t)(unsafe.Pointer(spent)))))
}

// DepotEmpty is zm_depot_empty.
func DepotEmpty(class uint, full *Magazine) *Magazine {
	crossed()
	return (*Magazine)(unsafe.Pointer(C.zm_depot_empty(C.uint(class),
		(*C.zm_magazine_t)(unsafe.Pointer(full)))))
}

// DepotPut is zm_depot_put.
func DepotPut(class uint, m *Magazine) {
	crossed()
	C.zm_depot_put(C.uint(class), (*C.zm_magazine_t)(unsafe.Pointer(m)))
}

// DepotTrim is zm_depot_trim.
func DepotTrim(all bool) bool { return bool(C.zm_depot_trim(C.bool(all))) }

// DepotRelease is zm_depot_release.
func DepotRelease(need int64) bool { return bool(C.zm_depot_release(C.uint64_t(need))) }

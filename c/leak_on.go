//go:build leak

package c

// #cgo noescape zm_leak_calloc
// #cgo nocallback zm_leak_calloc
// #cgo noescape zm_leak_free
// #cgo nocallback zm_leak_free
// #cgo noescape zm_leak_sites
// #cgo nocallback zm_leak_sites
// #cgo noescape zm_leak_allocator_new
// #cgo nocallback zm_leak_allocator_new
// #cgo noescape zm_leak_allocator_own
// #cgo nocallback zm_leak_allocator_own
// #include "zmem.h"
import "C"

import "unsafe"

// LeakCalloc is zm_leak_calloc.
func LeakCalloc(n, align uintptr, tag string, pcs []uintptr) unsafe.Pointer {
	return C.zm_leak_calloc(C.size_t(n), C.size_t(align),
		(*C.char)(unsafe.Pointer(unsafe.StringData(tag))), C.size_t(len(tag)),
		(*C.uintptr_t)(unsafe.Pointer(unsafe.SliceData(pcs))), C.size_t(len(pcs)))
}

// LeakFree is zm_leak_free.
func LeakFree(p unsafe.Pointer, n uintptr, pcs []uintptr, fault *LeakFault) Err {
	return Err(C.zm_leak_free(p, C.size_t(n),
		(*C.uintptr_t)(unsafe.Pointer(unsafe.SliceData(pcs))), C.size_t(len(pcs)),
		(*C.zm_leak_fault_t)(unsafe.Pointer(fault))))
}

// LeakSites is zm_leak_sites.
func LeakSites(out []LeakLive) int {
	return int(C.zm_leak_sites((*C.zm_leak_live_t)(unsafe.Pointer(unsafe.SliceData(out))),
		C.size_t(len(out))))
}

// LeakNewAllocator is zm_leak_allocator_new.
func LeakNewAllocator(size uintptr, tag string, pcs []uintptr) *Allocator {
	return (*Allocator)(unsafe.Pointer(C.zm_leak_allocator_new(C.size_t(size),
		(*C.char)(unsafe.Pointer(unsafe.StringData(tag))), C.size_t(len(tag)),
		(*C.uintptr_t)(unsafe.Pointer(unsafe.SliceData(pcs))), C.size_t(len(pcs)))))
}

// LeakOwn is zm_leak_allocator_own.
func (a *Allocator) LeakOwn(tag string, pcs []uintptr) Err {
	return Err(C.zm_leak_allocator_own(a.c(),
		(*C.char)(unsafe.Pointer(unsafe.StringData(tag))), C.size_t(len(tag)),
		(*C.uintptr_t)(unsafe.Pointer(unsafe.SliceData(pcs))), C.size_t(len(pcs))))
}

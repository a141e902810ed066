//go:build leak

package c

// #cgo noescape zm_leak_try_calloc
// #cgo nocallback zm_leak_try_calloc
// #cgo noescape zm_leak_free
// #cgo nocallback zm_leak_free
// #cgo noescape zm_leak_sites
// #cgo nocallback zm_leak_sites
// #cgo noescape zm_leak_blocks
// #cgo nocallback zm_leak_blocks
// #cgo noescape zm_leak_read
// #cgo nocallback zm_leak_read
// #cgo noescape zm_leak_allocator_new
// #cgo nocallback zm_leak_allocator_new
// #cgo noescape zm_leak_allocator_own
// #cgo nocallback zm_leak_allocator_own
// #include "zmem.h"
import "C"

import "unsafe"

// LeakTryCalloc is zm_leak_try_calloc; nil where it fails.
func LeakTryCalloc(n, align uintptr, site *Site) (p unsafe.Pointer, err Err) {
	err = Err(C.zm_leak_try_calloc(C.size_t(n), C.size_t(align), site.c(), &p))
	return p, err
}

// LeakFree is zm_leak_free.
func LeakFree(p unsafe.Pointer, n uintptr, site *Site, fault *LeakFault) Err {
	return Err(C.zm_leak_free(p, C.size_t(n), site.c(),
		(*C.zm_leak_fault_t)(unsafe.Pointer(fault))))
}

// LeakSites is zm_leak_sites.
func LeakSites(out []LeakLive) int {
	return int(C.zm_leak_sites((*C.zm_leak_live_t)(unsafe.Pointer(unsafe.SliceData(out))),
		C.size_t(len(out))))
}

// LeakBlocks is zm_leak_blocks.
func LeakBlocks(out []LeakBlock) int {
	return int(C.zm_leak_blocks((*C.zm_leak_block_t)(unsafe.Pointer(unsafe.SliceData(out))),
		C.size_t(len(out))))
}

// LeakRead is zm_leak_read.
func LeakRead(b *LeakBlock, offset uint64, out []uintptr) bool {
	return bool(C.zm_leak_read((*C.zm_leak_block_t)(unsafe.Pointer(b)), C.size_t(offset),
		unsafe.Pointer(unsafe.SliceData(out)), C.size_t(uintptr(len(out))*unsafe.Sizeof(out[0]))))
}

// LeakNewAllocator is zm_leak_allocator_new; nil where it fails.
func LeakNewAllocator(size uintptr, site *Site) (*Allocator, Err) {
	var out *C.zm_allocator_t
	err := Err(C.zm_leak_allocator_new(C.size_t(size), site.c(), &out))
	return (*Allocator)(unsafe.Pointer(out)), err
}

// LeakOwn is zm_leak_allocator_own.
func (a *Allocator) LeakOwn(site *Site) { C.zm_leak_allocator_own(a.c(), site.c()) }

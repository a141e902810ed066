package c

// #cgo noescape zm_allocator_refill
// #cgo nocallback zm_allocator_refill
// #cgo noescape zm_allocator_try_allocate
// #cgo nocallback zm_allocator_try_allocate
// #cgo noescape zm_allocator_grown
// #cgo nocallback zm_allocator_grown
// #cgo noescape zm_cursor_try_allocate
// #cgo nocallback zm_cursor_try_allocate
// #cgo noescape zm_cursor_close
// #cgo nocallback zm_cursor_close
// #include "zmem.h"
import "C"

import "unsafe"

// Allocator is a zm_allocator_t, which only C looks into.
type Allocator struct{ _ byte }

func (a *Allocator) c() *C.zm_allocator_t { return (*C.zm_allocator_t)(unsafe.Pointer(a)) }

// NewAllocator is zm_allocator_new; nil where it fails.
func NewAllocator(size uintptr) (*Allocator, Err) {
	var out *C.zm_allocator_t
	err := Err(C.zm_allocator_new(C.size_t(size), &out))
	return (*Allocator)(unsafe.Pointer(out)), err
}

// Refill is zm_allocator_refill, with nil for a window that there is not yet; the window to use from
// now on is the second result.
func (a *Allocator) Refill(w *Window, n, most uintptr) (p unsafe.Pointer, now *Window, err Err) {
	crossed()
	slot := (*C.zm_window_t)(unsafe.Pointer(w))
	err = Err(C.zm_allocator_refill(a.c(), &slot, C.size_t(n), C.size_t(most), &p))
	return p, (*Window)(unsafe.Pointer(slot)), err
}

// Grown is zm_allocator_grown.
func (a *Allocator) Grown() (chunk unsafe.Pointer, size uintptr) {
	var n C.size_t
	chunk = C.zm_allocator_grown(a.c(), &n)
	return chunk, uintptr(n)
}

// TryAllocate is zm_allocator_try_allocate; nil where it fails.
func (a *Allocator) TryAllocate(n, align uintptr) (p unsafe.Pointer, err Err) {
	crossed()
	err = Err(C.zm_allocator_try_allocate(a.c(), C.size_t(n), C.size_t(align), &p))
	return p, err
}

// Ref is zm_allocator_ref.
func (a *Allocator) Ref() uint64 { return uint64(C.zm_allocator_ref(a.c())) }

// Size is zm_allocator_size.
func (a *Allocator) Size() uint64 { return uint64(C.zm_allocator_size(a.c())) }

// Allocated is zm_allocator_allocated.
func (a *Allocator) Allocated() uint64 { return uint64(C.zm_allocator_allocated(a.c())) }

// Reset is zm_allocator_reset.
func (a *Allocator) Reset() { C.zm_allocator_reset(a.c()) }

// Trim is zm_allocator_trim.
func (a *Allocator) Trim(max uintptr) { C.zm_allocator_trim(a.c(), C.size_t(max)) }

// Release is zm_allocator_release.
func (a *Allocator) Release() { C.zm_allocator_release(a.c()) }

// TryAllocate is zm_cursor_try_allocate; nil where it fails. k is on the stack: C must not get at Go
// pointers beside it.
func (k *Cursor) TryAllocate(n, align uintptr) (p unsafe.Pointer, err Err) {
	crossed()
	err = Err(C.zm_cursor_try_allocate((*C.zm_cursor_t)(unsafe.Pointer(k)), C.size_t(n), C.size_t(align), &p))
	return p, err
}

// Close is zm_cursor_close.
func (k *Cursor) Close() { C.zm_cursor_close((*C.zm_cursor_t)(unsafe.Pointer(k))) }

// AllocatorPool is a zm_allocator_pool_t, which only C looks into.
type AllocatorPool struct{ _ byte }

func (p *AllocatorPool) c() *C.zm_allocator_pool_t {
	return (*C.zm_allocator_pool_t)(unsafe.Pointer(p))
}

// NewAllocatorPool is zm_allocator_pool_new; nil where it fails.
func NewAllocatorPool(max uintptr) (*AllocatorPool, Err) {
	var out *C.zm_allocator_pool_t
	err := Err(C.zm_allocator_pool_new(C.size_t(max), &out))
	return (*AllocatorPool)(unsafe.Pointer(out)), err
}

// Take is zm_allocator_pool_take.
func (p *AllocatorPool) Take() *Allocator {
	return (*Allocator)(unsafe.Pointer(C.zm_allocator_pool_take(p.c())))
}

// Put is zm_allocator_pool_put.
func (p *AllocatorPool) Put(a *Allocator) { C.zm_allocator_pool_put(p.c(), a.c()) }

// Trim is zm_allocator_pool_trim.
func (p *AllocatorPool) Trim() bool { return bool(C.zm_allocator_pool_trim(p.c())) }

// Release is zm_allocator_pool_release.
func (p *AllocatorPool) Release() { C.zm_allocator_pool_release(p.c()) }

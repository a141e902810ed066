package c

// #cgo noescape zm_buffer_new_tmp
// #cgo nocallback zm_buffer_new_tmp
// #cgo noescape zm_buffer_open
// #cgo nocallback zm_buffer_open
// #cgo noescape zm_buffer_set_spill
// #cgo nocallback zm_buffer_set_spill
// #cgo noescape zm_buffer_grow
// #cgo nocallback zm_buffer_grow
// #cgo noescape zm_buffer_rewrite
// #cgo nocallback zm_buffer_rewrite
// #cgo noescape zm_buffer_sync
// #cgo nocallback zm_buffer_sync
// #cgo noescape zm_buffer_release
// #cgo nocallback zm_buffer_release
// #cgo noescape zm_buffer_scratch
// #cgo nocallback zm_buffer_scratch
// #cgo noescape zm_buffer_attribute
// #cgo nocallback zm_buffer_attribute
// #include "zmem.h"
import "C"

import "unsafe"

// NewBuffer is zm_buffer_new; nil where it fails.
func NewBuffer(capacity uintptr) (*Buffer, Err) {
	var out *C.zm_buffer_t
	err := Err(C.zm_buffer_new(C.size_t(capacity), &out))
	return (*Buffer)(unsafe.Pointer(out)), err
}

// NewBufferTmp is zm_buffer_new_tmp.
func NewBufferTmp(dir string, capacity uintptr, cause *Cause) (*Buffer, Err) {
	var out *C.zm_buffer_t
	err := C.zm_buffer_new_tmp(cString(dir), C.size_t(capacity), &out, cause.c())
	return (*Buffer)(unsafe.Pointer(out)), Err(err)
}

// OpenBuffer is zm_buffer_open.
func OpenBuffer(path string, capacity uintptr, cause *Cause) (*Buffer, Err) {
	var out *C.zm_buffer_t
	err := C.zm_buffer_open(cString(path), C.size_t(capacity), &out, cause.c())
	return (*Buffer)(unsafe.Pointer(out)), Err(err)
}

// SetSpill is zm_buffer_set_spill.
func (b *Buffer) SetSpill(threshold uintptr, dir string) Err {
	return Err(C.zm_buffer_set_spill(b.c(), C.size_t(threshold), cString(dir)))
}

// SetMax is zm_buffer_set_max.
func (b *Buffer) SetMax(max uintptr) { C.zm_buffer_set_max(b.c(), C.size_t(max)) }

// Grow is zm_buffer_grow.
func (b *Buffer) Grow(n uintptr, cause *Cause) Err {
	crossed()
	return Err(C.zm_buffer_grow(b.c(), C.size_t(n), cause.c()))
}

// Reset is zm_buffer_reset.
func (b *Buffer) Reset() { C.zm_buffer_reset(b.c()) }

// Rewrite is zm_buffer_rewrite.
func (b *Buffer) Rewrite(from uintptr, cause *Cause) (copied bool, err Err) {
	err = Err(C.zm_buffer_rewrite(b.c(), C.size_t(from), (*C.bool)(&copied), cause.c()))
	return copied, err
}

// RewriteUndo is zm_buffer_rewrite_undo.
func (b *Buffer) RewriteUndo() { C.zm_buffer_rewrite_undo(b.c()) }

// Sync is zm_buffer_sync.
func (b *Buffer) Sync(cause *Cause) Err { return Err(C.zm_buffer_sync(b.c(), cause.c())) }

// Release is zm_buffer_release.
func (b *Buffer) Release(cause *Cause) Err { return Err(C.zm_buffer_release(b.c(), cause.c())) }

// Scratch is zm_buffer_scratch; b may be nil.
func (b *Buffer) Scratch(n uintptr, cause *Cause) (unsafe.Pointer, Err) {
	var out unsafe.Pointer
	err := C.zm_buffer_scratch(b.c(), C.size_t(n), &out, cause.c())
	return out, Err(err)
}

// ScratchFree is zm_buffer_scratch_free.
func (b *Buffer) ScratchFree(p unsafe.Pointer, n uintptr) {
	C.zm_buffer_scratch_free(b.c(), p, C.size_t(n))
}

// Attribute is zm_buffer_attribute.
func (b *Buffer) Attribute(site *Site) { C.zm_buffer_attribute(b.c(), site.c()) }

func (b *Buffer) c() *C.zm_buffer_t { return (*C.zm_buffer_t)(unsafe.Pointer(b)) }

func (k *Cause) c() *C.zm_cause_t { return (*C.zm_cause_t)(unsafe.Pointer(k)) }

// cString is s with a NUL behind it, in Go memory.
func cString(s string) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.SliceData(append([]byte(s), 0))))
}

// Package boundary is C code of a program that shares zmem with the program's Go code, so that a test
// can see blocks cross from one to the other and be freed there, as docs/memory-rules.md says. Blocks
// that C got from elsewhere, or that libc's free should have, do not cross.
//
// A program elsewhere names the folder of zmem.h by CGO_CFLAGS rather than in the file.
package boundary

// #cgo CFLAGS: -I${SRCDIR}/../../../c
// #include "boundary.h"
import "C"

import "unsafe"

// Alloc has C allocate n bytes that Go may free with z.Free, all of them 'c'; nil where it fails.
func Alloc(n int) []byte {
	p := (*byte)(C.boundary_alloc(C.size_t(n)))
	if p == nil {
		return nil
	}
	return unsafe.Slice(p, n)
}

// Free has C free what z.Calloc returned, and reports whether it did.
func Free(b []byte) bool {
	return C.boundary_free(unsafe.Pointer(unsafe.SliceData(b)), C.size_t(cap(b))) == 0
}

// Allocate has C take n bytes, all of them 'c', from the Go program's Allocator with that Ref; nil where
// it fails, as it does where that was released.
func Allocate(ref uint64, n int) []byte {
	p := (*byte)(C.boundary_allocate(C.uint64_t(ref), C.size_t(n)))
	if p == nil {
		return nil
	}
	return unsafe.Slice(p, n)
}

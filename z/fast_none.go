//go:build (!amd64 || !gc || zmem_nolinkname || race || asan || msan) && !leak

package z

import "unsafe"

// callocBlock makes n zero bytes for Calloc.
func callocBlock(n int, _ []string) unsafe.Pointer { return mustBlock(alloc(calloc, n, nil)) }

// freeBlock frees a block of n bytes.
func freeBlock(p unsafe.Pointer, n uintptr) { freeCached(p, n) }

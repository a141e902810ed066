//go:build jemalloc

// Package cfloor runs the benchmarks' work as C loops on jemalloc: the least that a program on that
// allocator can cost, which is what zmem's own cost is held against.
//
// It is linked as package c links jemalloc, so that both get the same archive.
package cfloor

// #cgo CFLAGS: -std=c11 -O2
// #cgo linux LDFLAGS: -Wl,-Bstatic -ljemalloc -Wl,-Bdynamic -lm -pthread
// #cgo !linux LDFLAGS: -ljemalloc -lm -pthread
// #include <stdlib.h>
// #include "floor.h"
import "C"

import "unsafe"

// Version is the version that jemalloc gives itself.
func Version() string { return C.GoString(C.floor_jemalloc_version()) }

// CallocFree allocates and frees a block of n bytes, iters times.
func CallocFree(n, iters int) { C.floor_calloc_free(C.size_t(n), C.long(iters)) }

// Live is a set of live blocks.
type Live struct {
	blocks *unsafe.Pointer
	count  int
}

// NewLive makes `count` blocks: of n bytes, or, where sizes is not nil, of the sizes in its order,
// which has a power of two of them.
func NewLive(count, n int, sizes []uint32) *Live {
	l := &Live{(*unsafe.Pointer)(C.calloc(C.size_t(count), C.size_t(unsafe.Sizeof(uintptr(0))))), count}
	C.floor_fill(l.blocks, C.size_t(count), C.size_t(n), first(sizes), mask(len(sizes)))
	return l
}

// Replace puts a new block of n bytes in the place of each that `order` names, in turn, iters times.
// order has a power of two of indexes.
func (l *Live) Replace(n int, order []uint32, iters int) {
	C.floor_replace(l.blocks, C.size_t(n), first(order), mask(len(order)), C.long(iters))
}

// Mixed puts a new block in the place of the oldest, iters times, starting with the pos-th. There is
// a power of two of sizes and of blocks.
func (l *Live) Mixed(sizes []uint32, pos, iters int) {
	C.floor_mixed(l.blocks, mask(l.count), first(sizes), mask(len(sizes)), C.size_t(pos), C.long(iters))
}

// Drop frees the blocks.
func (l *Live) Drop() {
	C.floor_drop(l.blocks, C.size_t(l.count))
	C.free(unsafe.Pointer(l.blocks))
}

func first(s []uint32) *C.uint32_t { return (*C.uint32_t)(unsafe.SliceData(s)) }

func mask(n int) C.size_t { return C.size_t(max(n, 1) - 1) }

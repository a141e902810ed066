//go:build jemalloc && !allocator

package main

import (
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

const where = "manual memory, one Calloc each"

const nodeSize = int(unsafe.Sizeof(node{}))

func newNode() *node { return (*node)(unsafe.Pointer(&z.Calloc(nodeSize, "node")[0])) }

func freeNode(n *node) { z.Free(unsafe.Slice((*byte)(unsafe.Pointer(n)), nodeSize)) }

func freeRest() {}

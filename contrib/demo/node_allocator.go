//go:build jemalloc && allocator

package main

import "github.com/zmem-go/zmem/z"

const where = "manual memory, on an Allocator"

var nodes = z.NewAllocator(1<<20, "nodes")

// Unchecked: next is a plain pointer, and only ever points to a node from here.
func newNode() *node { return z.NewUnchecked[node](nodes) }

func freeNode(*node) {}

func freeRest() { nodes.Release() }

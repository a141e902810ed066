//go:build !jemalloc

package main

const where = "the Go heap"

func newNode() *node { return new(node) }

func freeNode(*node) {}

func freeRest() {}

package main

import (
	"bytes"
	"errors"

	"github.com/zmem-go/zmem/z"
)

// A backend is the linked list under test, on one kind of memory. One goroutine uses it, except
// that any may call inUse.
type backend interface {
	// push puts a node with a buffer of n bytes in front, every byte of it the pattern, which is
	// not 0.
	push(n int, pattern byte) error

	// walk goes over the nodes from the front and does with each what visit says.
	walk(visit func() verdict) error

	// inUse returns the bytes of all nodes and buffers.
	inUse() int64

	// left returns the bytes that the allocator believes to be allocated.
	left() int64

	// stats returns the allocator's own figures.
	stats() z.MemStats

	// giveBack has the allocator return free memory to the system.
	giveBack() error
}

type verdict int

const (
	keep verdict = iota
	free
	stop
)

const goBackend = "go"

// openBackend returns an empty list on the backend that the options settled on.
func openBackend(name string) backend {
	if name == goBackend {
		return newGoList()
	}
	return &manualList{}
}

var (
	errNotZero = errors.New("memory damaged: a new block is not zero")
	errChanged = errors.New("memory damaged: a block has changed since it was written")
)

// page is how far apart the bytes are that fill and verify look at: to look at all would cost as
// much as to write them.
const page = 4096

// fill writes the pattern to all of b, which has to be zero.
func fill(b []byte, pattern byte) error {
	for i := 0; i < len(b); i += page {
		if b[i] != 0 {
			return errNotZero
		}
	}
	if len(b) == 0 || b[len(b)-1] != 0 {
		return errNotZero
	}
	first := b[:min(page, len(b))]
	for i := range first {
		first[i] = pattern
	}
	for i := page; i < len(b); i += page {
		copy(b[i:], first)
	}
	return nil
}

// verify checks that b is still as fill left it.
func verify(b []byte) error {
	first := b[:min(page, len(b))]
	if first[0] == 0 || bytes.Count(first, first[:1]) != len(first) {
		return errChanged
	}
	for i := page; i < len(b); i += page {
		if b[i] != first[0] {
			return errChanged
		}
	}
	if b[len(b)-1] != first[0] {
		return errChanged
	}
	return nil
}

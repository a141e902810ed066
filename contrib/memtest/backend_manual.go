package main

import (
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

// manualList is the list in manual memory: nodes and buffers both.
type manualList struct{ front *node }

// node is laid on bytes from z.Calloc. Its pointers lead to other manual memory and never to the Go
// heap: the collector does not look in here, and would free what only a node points to.
type node struct {
	next *node
	buf  unsafe.Pointer
	size int
}

const nodeSize = int64(unsafe.Sizeof(node{}))

func (l *manualList) push(n int, pattern byte) error {
	raw, err := z.TryCalloc(int(nodeSize), "node")
	if err != nil {
		return err
	}
	buf, err := z.TryCalloc(n, "buffer")
	if err != nil {
		z.Free(raw)
		return err
	}
	nd := (*node)(unsafe.Pointer(unsafe.SliceData(raw)))
	nd.next, nd.buf, nd.size = l.front, unsafe.Pointer(unsafe.SliceData(buf)), n
	l.front = nd
	return fill(buf, pattern)
}

func (l *manualList) walk(visit func() verdict) error {
	var damage error
	for at := &l.front; *at != nil; {
		nd := *at
		switch visit() {
		case stop:
			return damage
		case keep:
			at = &nd.next
		case free:
			*at = nd.next
			buf := unsafe.Slice((*byte)(nd.buf), nd.size)
			if err := verify(buf); err != nil {
				damage = err
			}
			z.Free(buf)
			z.Free(unsafe.Slice((*byte)(unsafe.Pointer(nd)), nodeSize))
		}
	}
	return damage
}

func (l *manualList) inUse() int64 { return z.NumAllocBytes() }
func (l *manualList) left() int64  { return z.NumAllocBytes() }

func (l *manualList) stats() z.MemStats {
	var s z.MemStats
	z.ReadMemStats(&s)
	return s
}

func (l *manualList) giveBack() error { return z.ReturnMemory() }

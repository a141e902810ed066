package arena

import "sync/atomic"

func init() {
	register(implementation{name: "go", open: openGoHeap, shared: true})
}

// sink is where what was allocated stands; each is far from another goroutine's.
type sink struct {
	block []byte
	node  *node
	_     [64]byte
}

func openGoHeap(int) arena {
	makes := func(n int) {
		s := new(sink)
		escape(s)
		for range n {
			s.block = make([]byte, blockSize)
			s.block[0] = 1
		}
	}
	return arena{
		allocate: makes,
		aligned:  makes,
		node: func(n int) {
			s := new(sink)
			escape(s)
			for range n {
				s.node = new(node)
				s.node.val = 1
			}
		},
		renew: func() {},
		close: func() {},
	}
}

// escape has its argument, and so all that is stored in it, on the heap.
//
//go:noinline
func escape(s *sink) { lastSink.Store(s) }

var lastSink atomic.Pointer[sink]

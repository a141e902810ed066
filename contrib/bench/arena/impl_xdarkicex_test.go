//go:build xdarkicex

package arena

import (
	"unsafe"

	"github.com/xDarkicex/memory"
)

func init() {
	register(implementation{name: "xdarkicex", open: openXdarkicex, shared: true})
}

// openXdarkicex is Arena of xDarkicex/memory: one mapping of a fixed size, bumped by compare and swap.
// It does not clear what it hands out again after Reset, so for what has to be zero that is done here.
func openXdarkicex(n int) arena {
	a, err := memory.NewArena(uint64(n * blockSize))
	if err != nil {
		panic(err)
	}
	allocate := func() []byte {
		p, err := a.Alloc(blockSize)
		if err != nil {
			panic(err)
		}
		return unsafe.Slice((*byte)(p), blockSize)
	}
	return arena{
		allocate: func(n int) {
			for range n {
				allocate()[0] = 1
			}
		},
		aligned: func(n int) {
			for range n {
				b := allocate()
				clear(b)
				b[0] = 1
			}
		},
		node: func(n int) {
			for range n {
				p, err := memory.ArenaAlloc[node](a)
				if err != nil {
					panic(err)
				}
				*p = node{val: 1}
			}
		},
		reset: a.Reset,
		close: func() { _ = a.Free() },
	}
}

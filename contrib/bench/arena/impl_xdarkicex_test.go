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
func openXdarkicex(n int) arena {
	make := func() *memory.Arena {
		a, err := memory.NewArena(uint64(n * blockSize))
		if err != nil {
			panic(err)
		}
		return a
	}
	a := make()
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
				allocate()[0] = 1
			}
		},
		node: func(n int) {
			for range n {
				p, err := memory.ArenaAlloc[node](a)
				if err != nil {
					panic(err)
				}
				p.val = 1
			}
		},
		renew: func() {
			_ = a.Free()
			a = make()
		},
		close: func() { _ = a.Free() },
	}
}

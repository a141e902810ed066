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
// Its memory is new, and so zero, in every round.
func openXdarkicex(n int) arena {
	const align = 8 // its default of 64 bytes would give each block as many
	make := func() *memory.Arena {
		a, err := memory.NewArena(uint64(n*blockSize), align)
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
	bytes := func(n int) {
		for range n {
			allocate()[0] = 1
		}
	}
	return arena{
		allocate: bytes,
		aligned:  bytes,
		node: func(n int) {
			for range n {
				p, err := memory.ArenaAllocUninitialized[node](a)
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

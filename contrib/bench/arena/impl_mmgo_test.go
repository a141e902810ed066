//go:build mmgo

package arena

import (
	"github.com/joetifa2003/mm-go/allocator"
	"github.com/joetifa2003/mm-go/typedarena"
)

func init() {
	register(implementation{name: "mmgo", open: openMmgo})
}

// openMmgo is mm-go's typed arena on libc, whose calloc clears and aligns it: one of nodes, or one
// of bytes, each made when it is first used.
func openMmgo(n int) arena {
	libc := allocator.NewC()
	var nodes *typedarena.TypedArena[node]
	var blocks *typedarena.TypedArena[byte]
	free := func() {
		if nodes != nil {
			nodes.Free()
			nodes = nil
		}
		if blocks != nil {
			blocks.Free()
			blocks = nil
		}
	}
	bytes := func(k int) {
		if blocks == nil {
			blocks = typedarena.New[byte](libc, n*blockSize)
		}
		for range k {
			blocks.AllocMany(blockSize)[0] = 1
		}
	}
	return arena{
		allocate: bytes,
		aligned:  bytes,
		node: func(k int) {
			if nodes == nil {
				nodes = typedarena.New[node](libc, n)
			}
			for range k {
				nodes.Alloc().val = 1
			}
		},
		renew: free,
		close: free,
	}
}

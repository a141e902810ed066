//go:build jemalloc

package arena

import (
	"unsafe"

	"github.com/dgraph-io/ristretto/v2/z"
)

func init() {
	register(implementation{name: "ristretto", open: openRistretto, shared: true})
}

func openRistretto(n int) arena {
	size := n * blockSize
	a := z.NewAllocator(size, "bench")
	return arena{
		allocate: func(n int) {
			for range n {
				a.Allocate(blockSize)[0] = 1
			}
		},
		aligned: func(n int) {
			for range n {
				a.AllocateAligned(blockSize)[0] = 1
			}
		},
		node: func(n int) {
			for range n {
				(*node)(unsafe.Pointer(&a.AllocateAligned(blockSize)[0])).val = 1
			}
		},
		renew: func() {
			a.Release()
			a = z.NewAllocator(size, "bench")
		},
		close: func() { a.Release() },
	}
}

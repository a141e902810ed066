//go:build mmgo

package arena

import (
	"github.com/joetifa2003/mm-go/allocator"
	"github.com/joetifa2003/mm-go/typedarena"
)

func init() {
	register(implementation{name: "mmgo", open: openMmgo})
}

// openMmgo is mm-go's typed arena on libc.
func openMmgo(n int) arena {
	libc := allocator.NewC()
	a := typedarena.New[node](libc, n)
	return arena{
		node: func(n int) {
			for range n {
				a.Alloc().val = 1
			}
		},
		renew: func() {
			a.Free()
			a = typedarena.New[node](libc, n)
		},
		close: func() { a.Free() },
	}
}

package arena

import "github.com/zmem-go/zmem/z"

func init() {
	register(implementation{name: "zmem", open: openZmem, shared: true})
}

func openZmem(n int) arena {
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
				z.New[node](a).val = 1
			}
		},
		own: func() (func(n int), func()) {
			k := a.Cursor()
			return func(n int) {
				for range n {
					k.Allocate(blockSize)[0] = 1
				}
			}, k.Close
		},
		renew: func() {
			a.Release()
			a = z.NewAllocator(size, "bench")
		},
		close: func() { a.Release() },
	}
}

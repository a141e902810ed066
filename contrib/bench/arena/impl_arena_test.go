//go:build goexperiment.arenas

package arena

import goarena "arena"

func init() {
	register(implementation{name: "go-arena", open: openGoArena})
}

// openGoArena is Go's arena experiment, of which a new one is made after each Free.
func openGoArena(int) arena {
	a := goarena.NewArena()
	bytes := func(n int) {
		for range n {
			goarena.MakeSlice[byte](a, blockSize, blockSize)[0] = 1
		}
	}
	return arena{
		allocate: bytes,
		aligned:  bytes,
		node: func(n int) {
			for range n {
				goarena.New[node](a).val = 1
			}
		},
		renew: func() {
			a.Free()
			a = goarena.NewArena()
		},
		close: func() { a.Free() },
	}
}

//go:build nuke

package arena

import "github.com/ortuman/nuke"

func init() {
	register(implementation{name: "nuke", open: openNuke})
}

// openNuke is a monotonic arena of one buffer, on the Go heap. Its concurrent one is a lock around it.
func openNuke(n int) arena {
	a := nuke.NewMonotonicArena(n*blockSize, 1)
	bytes := func(n int) {
		for range n {
			nuke.MakeSlice[byte](a, blockSize, blockSize)[0] = 1
		}
	}
	return arena{
		allocate: bytes,
		aligned:  bytes,
		node: func(n int) {
			for range n {
				nuke.New[node](a).val = 1
			}
		},
		renew: func() { a = nuke.NewMonotonicArena(n*blockSize, 1) },
		close: func() {},
	}
}

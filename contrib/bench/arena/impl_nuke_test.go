//go:build nuke

package arena

import "github.com/ortuman/nuke"

func init() {
	register(implementation{name: "nuke", open: openNuke, shared: true})
}

// openNuke is a monotonic arena of one buffer, on the Go heap. Where several goroutines use it, it
// is in the package's concurrent arena, a lock around it.
func openNuke(n int) arena {
	open := func() nuke.Arena {
		a := nuke.NewMonotonicArena(n*blockSize, 1)
		if n > round {
			a = nuke.NewConcurrentArena(a)
		}
		return a
	}
	a := open()
	return arena{
		allocate: func(n int) {
			for range n {
				nuke.MakeSlice[byte](a, blockSize, blockSize)[0] = 1
			}
		},
		aligned: func(n int) {
			for range n {
				nuke.MakeSlice[uint64](a, blockSize/8, blockSize/8)[0] = 1
			}
		},
		node: func(n int) {
			for range n {
				nuke.New[node](a).val = 1
			}
		},
		renew: func() { a = open() },
		close: func() {},
	}
}

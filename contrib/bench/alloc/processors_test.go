package alloc

import (
	"fmt"
	"testing"
)

// BenchmarkProcessors adds numbers up in registers: how much faster two goroutines are here says how
// much faster any work can become.
func BenchmarkProcessors(b *testing.B) {
	b.Run("impl=registers", func(b *testing.B) {
		for _, g := range goroutineCounts() {
			b.Run(fmt.Sprintf("goroutines=%d", g), func(b *testing.B) {
				sums := make([]struct {
					sum uint64
					_   [7]uint64
				}, g)
				spread(g, b.N, func(g, _, iters int) { sums[g].sum += addUp(iters) })
			})
		}
	})
}

// addUp makes four additions n times, none of which waits for another.
//
//go:noinline
func addUp(n int) uint64 {
	var a, b, c, d uint64
	for i := range uint64(n) {
		a, b, c, d = a+i, b+^i, c+2*i, d+i/2
	}
	return a ^ b ^ c ^ d
}

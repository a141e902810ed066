package alloc

import (
	"fmt"
	"testing"
)

// BenchmarkProcessors adds numbers up in registers: how much faster two goroutines are here says whether
// they have two cores.
func BenchmarkProcessors(b *testing.B) {
	b.Run("impl=registers", func(b *testing.B) {
		for _, goroutines := range goroutineCounts() {
			b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
				sums := make([]struct {
					sum uint64
					_   [7]uint64 // a cache line each
				}, goroutines)
				spread(goroutines, b.N, func(g, _, iters int) { sums[g].sum += addUp(iters) })
			})
		}
	})
}

// addUp makes four additions n times, none of which waits for another.
//
//go:noinline
func addUp(n int) uint64 {
	var a, b, c, d uint64 = 1, 2, 3, 4
	for i := range uint64(n) {
		a += i
		b += i
		c += i
		d += i
	}
	return a ^ b ^ c ^ d
}

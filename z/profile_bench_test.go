package z_test

import (
	"fmt"
	"testing"

	"github.com/zmem-go/zmem/z"
)

func benchmarkPairs(b *testing.B, size int) {
	b.ReportAllocs()
	for b.Loop() {
		z.Free(z.Calloc(size))
	}
}

// What the profile costs: a pair of Calloc and Free, at several rates.
func BenchmarkProfile(b *testing.B) {
	for _, size := range []int{32, 256} {
		for _, rate := range []int{0, z.DefaultProfileRate, 16 << 10, 1} {
			b.Run(fmt.Sprintf("size=%d/rate=%d", size, rate), func(b *testing.B) {
				defer z.SetProfileRate(z.SetProfileRate(rate))
				benchmarkPairs(b, size)
			})
		}
	}
}

// What guarding costs, without the profile.
func BenchmarkGuard(b *testing.B) {
	defer z.SetProfileRate(z.SetProfileRate(0))
	for _, rate := range []int{0, 10_000, 1000, 1} {
		b.Run(fmt.Sprintf("size=32/rate=%d", rate), func(b *testing.B) {
			defer z.SetGuardRate(z.SetGuardRate(rate))
			benchmarkPairs(b, 32)
		})
	}
}

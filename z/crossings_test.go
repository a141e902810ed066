//go:build zmem_crossings && !leak

package z

import (
	"math/rand/v2"
	"testing"

	"github.com/zmem-go/zmem/c"
)

// In a steady state nearly every Calloc and Free is served without a call into C.
func TestCache_FewCrossings(t *testing.T) {
	const pairs = 100_000
	for name, step := range map[string]func(rnd *rand.Rand, live [][]byte){
		"pairs": func(*rand.Rand, [][]byte) { Free(Calloc(32)) },
		"random replacement": func(rnd *rand.Rand, live [][]byte) {
			i := rnd.IntN(len(live))
			Free(live[i])
			live[i] = Calloc(32)
		},
		"random sizes": func(rnd *rand.Rand, live [][]byte) {
			i := rnd.IntN(len(live))
			Free(live[i])
			live[i] = Calloc(1 + rnd.IntN(1024))
		},
		"up and down": func(rnd *rand.Rand, live [][]byte) {
			i := rnd.IntN(len(live))
			if live[i] != nil {
				Free(live[i])
				live[i] = nil
			} else {
				live[i] = Calloc(1 + rnd.IntN(256))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			live := make([][]byte, 10_000)
			for range 4 * len(live) {
				step(rnd, live)
			}
			before := c.Crossings.Load()
			for range pairs {
				step(rnd, live)
			}
			got := float64(c.Crossings.Load()-before) / (pairs / 1000)
			t.Logf("%.2f calls into C per thousand", got)
			if got >= 20 {
				t.Errorf("%.2f calls into C per thousand, want fewer than 20", got)
			}
			for _, b := range live {
				Free(b)
			}
		})
	}
}

//go:build !race && !asan && !musl

// (The sanitizers have an allocator of their own, or hold several times as much memory.)

package z_test

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

// What is freed goes back to the system by itself, on every backend, also where no garbage collection
// ever comes. In a process of its own, as resident memory is a process's.
func TestGiveBack_ResidentMemoryFalls(t *testing.T) {
	for _, backend := range z.Backends() {
		for _, order := range []string{"in order", "scattered"} {
			out, err := runChild(t, "give back", "ZMEM_BACKEND="+backend, "ORDER="+order)
			if err != nil {
				t.Errorf("%s, freed %s: %v\n%s", backend, order, err, out)
			}
			t.Logf("%s, freed %s: %s", backend, order, strings.TrimSpace(out))
		}
	}
}

func init() {
	children["give back"] = func() {
		debug.SetGCPercent(-1)
		const total, size, patience = 256 << 20, 1000, time.Minute
		blocks := make([][]byte, total/size)
		last := z.Calloc(size)
		start := resident()
		for i := range blocks {
			blocks[i] = z.Calloc(size)
			fill(blocks[i], 1)
		}
		full := resident()
		if full < start+total {
			panic(fmt.Sprintf("only %d MiB are resident", full>>20))
		}
		step := 1
		if os.Getenv("ORDER") == "scattered" {
			step = 9973 // a prime, so that each comes once
		}
		for i := range blocks {
			z.Free(blocks[i*step%len(blocks)])
		}
		freed := time.Now()
		const most = 64 << 20 // the slice of blocks, and what the leak tag knows of each, are 30
		for resident() > start+most {
			if time.Since(freed) > patience {
				panic(fmt.Sprintf("%d MiB resident at the start, %d full, %d %v after all was freed",
					start>>20, full>>20, resident()>>20, patience))
			}
			time.Sleep(20 * time.Millisecond)
		}
		z.Free(last)
		fmt.Printf("%d MiB of %d within %v\n", resident()>>20, full>>20, time.Since(freed))
	}
}

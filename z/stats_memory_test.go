//go:build !asan && !musl

package z_test

import (
	"fmt"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// AddressSanitizer replaces libc's malloc, and libc_other.c knows none: without figures, these tests
// have nothing to go by.

func TestReadMemStats(t *testing.T) {
	var before, during z.MemStats
	z.ReadMemStats(&before)
	const n = 64 << 20
	b := z.Calloc(n)
	fill(b, 1)
	z.ReadMemStats(&during)
	z.Free(b)
	const slack = 16 << 20 // what may leave caches and the depot meanwhile
	if during.Allocated < before.Allocated+n-slack {
		t.Errorf("Allocated: %d before, %d with %d more", before.Allocated, during.Allocated, n)
	}
	if during.Resident < n || during.Mapped < n || during.Active < n {
		t.Errorf("too little with %d bytes live: %+v", n, during)
	}
}

// In a process of its own, as what glibc keeps depends on the sizes that were freed in it before.
func TestReturnMemory(t *testing.T) {
	if out, err := runChild(t, "return memory"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func init() {
	children["return memory"] = func() {
		var blocks [][]byte
		for range 4096 {
			b := z.Calloc(16 << 10)
			fill(b, 1)
			blocks = append(blocks, b)
		}
		before := resident()
		for _, b := range blocks {
			z.Free(b)
		}
		if err := z.ReturnMemory(); err != nil {
			panic(err)
		}
		// jemalloc may be at it on its own thread, and ReturnMemory leaves the rest to that.
		if !eventually(func() bool { return resident() <= before-48<<20 }) {
			panic(fmt.Sprintf("resident: %d MiB with 64 MiB live, %d MiB after Free and ReturnMemory",
				before>>20, resident()>>20))
		}
	}
}

//go:build !asan && !zmem_check

package z_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// AddressSanitizer writes to an eighth of what is allocated, and has Go allocate for itself.

// A thousand chunks of 1 GiB, of which nothing is touched.
func TestAllocator_ThousandChunks(t *testing.T) {
	start := liveNow()
	a := z.NewAllocator(1 << 30)
	blocks := make([][]byte, 1000)
	for i := range blocks {
		blocks[i] = a.Allocate(1 << 30)
	}
	if got := liveNow(); got.blocks-start.blocks != 1000 || a.Allocated() != 1000<<30 || a.Size() != 1000<<30 {
		t.Errorf("%d blocks, %v", got.blocks-start.blocks, a)
	}
	slices.SortFunc(blocks, func(x, y []byte) int { return bytes.Compare(key(x), key(y)) })
	for i := range blocks[1:] {
		if addr(blocks[i])+1<<30 > addr(blocks[i+1]) {
			t.Fatal("two of them overlap")
		}
	}
	a.Release()
	wantLive(t, start)
}

func TestAllocator_NoGoAllocation(t *testing.T) {
	a := z.NewAllocator(1 << 20)
	defer a.Release()
	k := a.Cursor()
	defer k.Close()
	if got := testing.AllocsPerRun(100, func() {
		a.Allocate(100)
		a.Allocate(10_000)
		a.AllocateAlign(100, 64)
		k.Allocate(10)
		k.Allocate(10_000)
		z.New[[4]int](a)
		z.NewIn[[4]int](k)
		z.MakeSlice[int](a, 1, 2)
		z.CloneString(a, "string")
		a.Reset()
	}); got != 0 {
		t.Errorf("%v allocations on the Go heap", got)
	}
}

//go:build !leak && !asan && !musl

package z_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// AddressSanitizer replaces libc's malloc, and libc_other.c knows none: without figures, these tests
// have nothing to go by.

// parkedBytes is what the backend has handed out beyond what is live: to caches, to the depot.
func parkedBytes() int64 {
	var s z.MemStats
	z.ReadMemStats(&s)
	return int64(s.Allocated) - z.NumAllocBytes()
}

// park fills the caches and the depot with some 20 MiB of free blocks, from many Ps.
func park() {
	var blocks [][]byte
	for size := 16; size <= 32<<10; size *= 2 {
		for range 1 << 20 / size {
			b := z.Calloc(size)
			fill(b, 1)
			blocks = append(blocks, b)
		}
	}
	for _, b := range blocks {
		z.Free(b)
	}
}

func TestReturnMemory_DrainsCachesAndDepot(t *testing.T) {
	if err := z.ReturnMemory(); err != nil {
		t.Fatal(err)
	}
	park()
	parked := parkedBytes()
	if err := z.ReturnMemory(); err != nil {
		t.Fatal(err)
	}
	if after := parkedBytes(); parked < 2<<20 || after > parked-2<<20 {
		t.Errorf("the backend has %d KiB out beyond what is live; %d KiB after ReturnMemory", parked>>10, after>>10)
	}
}

func TestCache_IdleGivesBackAfterGarbageCollections(t *testing.T) {
	if err := z.ReturnMemory(); err != nil {
		t.Fatal(err)
	}
	base := parkedBytes()
	park()
	parked := parkedBytes()
	if parked < base+2<<20 {
		t.Fatalf("only %d KiB parked", (parked-base)>>10)
	}
	if !eventually(func() bool {
		runtime.GC()
		return parkedBytes() < base+512<<10
	}) {
		t.Errorf("%d KiB parked, %d KiB still after many garbage collections",
			(parked-base)>>10, (parkedBytes()-base)>>10)
	}
}

// Aligned blocks take more memory than their class says, on jemalloc; caches hold a few, the depot none.
func TestFree_AlignedBlocksAreNotHoarded(t *testing.T) {
	before := parkedBytes()
	var blocks [10_000][]byte
	for i := range blocks {
		blocks[i] = z.CallocAligned(64, 16<<10)
	}
	excess := parkedBytes() - before
	for _, b := range blocks {
		z.Free(b)
	}
	if parked := parkedBytes() - before; parked > excess/4+1<<20 {
		t.Errorf("%d MiB are parked, of %d that the blocks took", parked>>20, excess>>20)
	}
	if err := z.ReturnMemory(); err != nil {
		t.Fatal(err)
	}
}

// C runs on many threads, and what each would keep for itself in the backend must not add up. 28 KiB
// a thread are jemalloc's own bookkeeping; with blocks in thread caches it was 5 to 8 MiB in all.
func TestReturnMemory_ThreadsLeaveLittleBehind(t *testing.T) {
	if err := z.ReturnMemory(); err != nil {
		t.Fatal(err)
	}
	before := parkedBytes()
	const threads = 64
	var busy sync.WaitGroup
	stay := make(chan struct{})
	for g := range threads {
		busy.Add(1)
		go func() {
			runtime.LockOSThread() // a thread of its own, which ends with the goroutine
			churn(t, uint64(g), 1500)
			busy.Done()
			<-stay
		}()
	}
	busy.Wait()
	after := parkedBytes()
	if err := z.ReturnMemory(); err != nil {
		t.Fatal(err)
	}
	left := parkedBytes() - before
	close(stay)
	t.Logf("%d KiB parked after the load, %d KiB after ReturnMemory", (after-before)>>10, left>>10)
	if left > threads*32<<10+1<<20 {
		t.Errorf("%d threads left %d KiB behind", threads, left>>10)
	}
}

package z

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmem-go/zmem/c"
)

//go:nosplit
//go:noinline
func busyWithoutPreemption(started, done *uint32, rounds int) (x uint64) {
	atomic.StoreUint32(started, 1)
	for range rounds {
		x = x*6364136223846793005 + 1
	}
	atomic.StoreUint32(done, 1)
	return x
}

// busy is the same for a function like any other.
//
//go:noinline
func busy(started, done *uint32, rounds int) (x uint64) {
	atomic.StoreUint32(started, 1)
	for range rounds {
		x = x*6364136223846793005 + 1
	}
	atomic.StoreUint32(done, 1)
	return x
}

// Windows rely on that the runtime does not preempt a goroutine in a nosplit function: to stop the
// world, it has to wait for its end.
func TestNosplit_IsNotPreempted(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	// wasPreempted says whether the world was stopped while f was in its loop.
	wasPreempted := func(f func(started, done *uint32, rounds int) uint64) bool {
		var started, done uint32
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			f(&started, &done, 200_000_000) // some 0.2 s
		}()
		for atomic.LoadUint32(&started) == 0 {
			time.Sleep(10 * time.Microsecond)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		preempted := atomic.LoadUint32(&done) == 0
		wg.Wait()
		return preempted
	}
	for range 3 {
		if wasPreempted(busyWithoutPreemption) {
			t.Fatal("a goroutine was preempted in a nosplit function")
		}
	}
	if !wasPreempted(busy) && !wasPreempted(busy) && !wasPreempted(busy) {
		t.Error("none was preempted in another function either: this test would not notice")
	}
}

// Blocks of stack that want the same slot share a window, and what is left in all counts.
func TestWindows_SlotOfAnother(t *testing.T) {
	a := NewAllocator(64 << 10)
	defer a.Release()
	const first, second, third = 5, 5 + c.NumWindows, 5 + 2*c.NumWindows
	taken := 0
	allocate := func(n int, block uintptr) {
		b := bytesAt(a.allocateRest(n, 8, block), n)
		for i := range b {
			if b[i] != 0 {
				t.Fatalf("%d bytes for block %d: byte %d is %d", n, block, i, b[i])
			}
			b[i] = byte(block)
		}
		taken += n
		if a.Size() != taken {
			t.Fatalf("Size %d after %d bytes", a.Size(), taken)
		}
	}
	slot := &a.windows[first]
	allocate(16, first)
	own := slot.own
	if slot.owner != first || slot.shared != nil {
		t.Fatalf("after the first: owner %d, shared %p", slot.owner, slot.shared)
	}
	for range 100 {
		allocate(24, second)
		allocate(8, third)
		if _, ok := a.windows.take(8, second); ok {
			t.Fatal("took from the window of another block of stack")
		}
		if p, ok := a.windows.take(8, first); !ok || *(*uint64)(p) != 0 {
			t.Fatal("cannot take from its own window")
		}
		taken += 8
	}
	if slot.own != own || slot.shared == nil {
		t.Fatalf("own %p, was %p; shared %p", slot.own, own, slot.shared)
	}
	shared := slot.shared
	for slot.shared == shared { // until it is full
		taken = a.Size()
		p := a.allocateRest(1024, 8, third)
		if slot.shared == shared && a.Size() != taken+1024 {
			t.Fatalf("Size %d after %d and 1024 bytes at %p", a.Size(), taken, p)
		}
	}
	if slot.own != own {
		t.Error("the slot has changed its owner")
	}
	a.Reset()
	if a.Size() != 0 || slot.owner != 0 || slot.own != nil || slot.shared != nil {
		t.Error("a window is left after Reset")
	}
}

// Goroutines whose stacks grow, and are shrunk and given to others by the collector, never get what
// another has.
func TestWindows_StacksMove(t *testing.T) {
	a := NewAllocator(512)
	defer a.Release()
	stop := make(chan struct{})
	var collector sync.WaitGroup
	collector.Add(1)
	go func() {
		defer collector.Done()
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	generations := 40
	if testing.Short() {
		generations = 10
	}
	for g := range generations {
		var wg sync.WaitGroup
		for i := range 3 * c.NumWindows {
			wg.Add(1)
			go func() {
				defer wg.Done()
				rnd := rand.New(rand.NewPCG(uint64(g), uint64(i)))
				mark := uint64(g*1000 + i + 1)
				var mine []*[3]uint64
				var deep func(levels int)
				deep = func(levels int) {
					var frame [200]byte
					for range 20 {
						b := New[[3]uint64](a)
						if *b != [3]uint64{} {
							t.Errorf("not zero: %v", *b)
						}
						*b = [3]uint64{mark, uint64(len(mine)), mark}
						mine = append(mine, b)
					}
					if levels > 0 {
						deep(levels - 1)
					}
					frame[levels%200]++
				}
				for range 5 {
					deep(rnd.IntN(60))
				}
				for n, b := range mine {
					if *b != [3]uint64{mark, uint64(n), mark} {
						t.Errorf("block %d of %d: %v", n, mark, *b)
						return
					}
				}
			}()
		}
		wg.Wait()
		if g%8 == 7 {
			a.Reset()
		}
	}
	close(stop)
	collector.Wait()
}

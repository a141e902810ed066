package z_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

// testSizes has every size up to 300, the sizes around each power of two, and some that are large.
var testSizes = func() (sizes []int) {
	for n := range 301 {
		sizes = append(sizes, n)
	}
	for n := 512; n <= 1<<21; n *= 2 {
		sizes = append(sizes, n-1, n, n+1, n+n/4, n+n/4+1)
	}
	return append(sizes, 10_000_000)
}()

func addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

func isZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

func TestCalloc_EverySize(t *testing.T) {
	start := liveNow()
	for _, n := range testSizes {
		b := z.Calloc(n, "test")
		if b == nil || len(b) != n || cap(b) != n {
			t.Fatalf("Calloc(%d): nil %v, len %d, cap %d", n, b == nil, len(b), cap(b))
		}
		if align := uintptr(min(16, max(8, n-n%8))); n > 0 && addr(b)%align != 0 {
			t.Fatalf("Calloc(%d) at %#x is not aligned to %d", n, addr(b), align)
		}
		if !isZero(b) {
			t.Fatalf("Calloc(%d) is not zero", n)
		}
		want := start
		if n > 0 {
			want = live{start.bytes + int64(n), start.blocks + 1}
		}
		wantLive(t, want)
		fill(b, 0xff)
		z.Free(b)
		wantLive(t, start)
	}
}

// Every block of every size is dirtied before it is freed, on all Ps at once.
func TestCalloc_ZeroHoweverDirtyBefore(t *testing.T) {
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for _, n := range testSizes {
				for range 3 {
					var blocks [5][]byte
					for i := range blocks {
						blocks[i] = z.Calloc(n)
						if !isZero(blocks[i]) {
							t.Errorf("Calloc(%d) is not zero after reuse", n)
						}
						fill(blocks[i], 0xa5)
					}
					for _, b := range blocks {
						z.Free(b)
					}
				}
			}
		}()
	}
	wg.Wait()
}

func TestCalloc_AppendLeavesTheNeighbourAlone(t *testing.T) {
	var blocks [64][]byte
	for i := range blocks {
		blocks[i] = z.Calloc(16)
		fill(blocks[i], byte(i))
	}
	for i := range blocks {
		grown := append(blocks[i], 0xee)
		if addr(grown) == addr(blocks[i]) {
			t.Fatal("append wrote in place")
		}
	}
	for i, b := range blocks {
		if !bytes.Equal(b, bytes.Repeat([]byte{byte(i)}, 16)) {
			t.Fatalf("block %d changed: %x", i, b)
		}
		z.Free(b)
	}
}

func TestCallocAligned(t *testing.T) {
	start := liveNow()
	for align := 1; align <= 1<<21; align *= 2 {
		for _, n := range []int{0, 1, 7, 16, 24, 100, 4096, 5000, 40_000, 1 << 20} {
			b := z.CallocAligned(n, align)
			if len(b) != n || cap(b) != n || b == nil {
				t.Fatalf("CallocAligned(%d, %d): len %d, cap %d", n, align, len(b), cap(b))
			}
			if n > 0 && addr(b)%uintptr(align) != 0 {
				t.Fatalf("CallocAligned(%d, %d) at %#x", n, align, addr(b))
			}
			if !isZero(b) {
				t.Fatalf("CallocAligned(%d, %d) is not zero", n, align)
			}
			fill(b, 0xff)
			z.Free(b)
			again := z.Calloc(n)
			if !isZero(again) {
				t.Fatalf("Calloc(%d) after CallocAligned(%d, %d) is not zero", n, n, align)
			}
			fill(again, 0xff)
			z.Free(again)
		}
	}
	wantLive(t, start)
	for _, align := range []int{0, -1, -8, 3, 24, 1<<30 + 1, 1 << 31, math.MinInt, math.MaxInt} {
		wantPanic(t, func() { z.CallocAligned(8, align) }, "CallocAligned", fmt.Sprint(align))
	}
	wantPanic(t, func() { z.CallocAligned(-1, 8) }, "CallocAligned: negative size -1")
	wantLive(t, start)
}

func TestCalloc_BadSizes(t *testing.T) {
	start := liveNow()
	for _, n := range []int{-1, -8, math.MinInt} {
		text := fmt.Sprintf("negative size %d", n)
		wantPanic(t, func() { z.Calloc(n) }, "z: Calloc: "+text)
		wantPanic(t, func() { _, _ = z.TryCalloc(n) }, "z: TryCalloc: "+text)
		wantPanic(t, func() { z.CallocNoRef(n) }, "z: Calloc: "+text)
	}
	for _, n := range []int{z.MaxArrayLen, z.MaxArrayLen + 1, math.MaxInt - 4096, math.MaxInt} {
		b, err := z.TryCalloc(n)
		if b != nil || !errors.Is(err, z.ErrOutOfMemory) {
			t.Fatalf("TryCalloc(%d): %d bytes, %v", n, len(b), err)
		}
		err, _ = panicOf(func() { z.Calloc(n) }).(error)
		if !errors.Is(err, z.ErrOutOfMemory) {
			t.Fatalf("Calloc(%d) panics with %v", n, err)
		}
		err, _ = panicOf(func() { z.CallocAligned(n, 1<<20) }).(error)
		if !errors.Is(err, z.ErrOutOfMemory) {
			t.Fatalf("CallocAligned(%d) panics with %v", n, err)
		}
	}
	wantLive(t, start)
}

func TestCallocNoRef_IsCalloc(t *testing.T) {
	b := z.CallocNoRef(100, "tag")
	if len(b) != 100 || !isZero(b) {
		t.Fatalf("%d bytes: %x", len(b), b)
	}
	z.Free(b)
}

func TestFree_EmptyAndCut(t *testing.T) {
	start := liveNow()
	z.Free(nil)
	z.Free([]byte{})
	z.Free(z.Calloc(0))
	wantLive(t, start)
	z.Free(z.Calloc(100)[:0])
	z.Free(z.Calloc(100)[:7])
	wantLive(t, start)
}

func TestGoodSize(t *testing.T) {
	for _, n := range []int{math.MinInt, -1, 0, z.MaxArrayLen + 1, math.MaxInt} {
		if got := z.GoodSize(n); got != n {
			t.Errorf("GoodSize(%d) = %d", n, got)
		}
	}
	for _, n := range testSizes[1:] {
		good := z.GoodSize(n)
		if good < n || good > n+n/4+15 && good > n+4096 {
			t.Errorf("GoodSize(%d) = %d", n, good)
		}
		if again := z.GoodSize(good); again != good {
			t.Errorf("GoodSize(%d) = %d, but GoodSize(%d) = %d", n, good, good, again)
		}
	}
}

func TestCalloc_NoGoAllocation(t *testing.T) {
	for _, n := range []int{16, 32, 4096, 100_000} {
		if got := testing.AllocsPerRun(200, func() { z.Free(z.Calloc(n, "tag")) }); got != 0 {
			t.Errorf("Calloc(%d) and Free allocate %v times on the Go heap", n, got)
		}
	}
}

// Blocks wander between goroutines; every byte of each belongs to one of them.
func TestCalloc_ManyGoroutines(t *testing.T) {
	start := liveNow()
	const goroutines, rounds = 8, 3000
	handed := make(chan []byte, 64)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rnd := rand.New(rand.NewPCG(uint64(g), 1))
			check := func(b []byte) {
				if want := byte(len(b)); !bytes.Equal(b, bytes.Repeat([]byte{want}, len(b))) {
					t.Errorf("a block of %d bytes changed", len(b))
				}
				z.Free(b)
			}
			for range rounds {
				b := z.Calloc(1 + rnd.IntN(1<<rnd.IntN(18)))
				if !isZero(b) {
					t.Errorf("Calloc(%d) is not zero", len(b))
				}
				fill(b, byte(len(b)))
				select {
				case handed <- b:
				case other := <-handed:
					check(other)
					check(b)
				}
			}
		}()
	}
	wg.Wait()
	close(handed)
	for b := range handed {
		z.Free(b)
	}
	wantLive(t, start)
}

// FuzzCalloc runs a program of two-byte instructions against a model: the first byte chooses a
// slot, the second a size; a slot in use is checked and freed, another is filled.
func FuzzCalloc(f *testing.F) {
	f.Add([]byte("\x01\x10\x02\x20\x01\x00\x03\xff"))
	f.Add(bytes.Repeat([]byte{7, 200, 8, 3}, 50))
	f.Fuzz(func(t *testing.T, program []byte) {
		start := liveNow()
		slots := map[byte][]byte{}
		release := func(slot byte, b []byte) {
			if !bytes.Equal(b, bytes.Repeat([]byte{slot + 1}, len(b))) {
				t.Fatalf("slot %d changed: %x", slot, b)
			}
			z.Free(b)
			delete(slots, slot)
		}
		for i := 0; i+1 < len(program); i += 2 {
			slot, size := program[i], int(program[i+1])
			if b, ok := slots[slot]; ok {
				release(slot, b)
				continue
			}
			b := z.Calloc(size * size)
			if !isZero(b) {
				t.Fatalf("Calloc(%d) is not zero", len(b))
			}
			for other, o := range slots {
				if len(o) > 0 && len(b) > 0 && addr(o) < addr(b)+uintptr(len(b)) && addr(b) < addr(o)+uintptr(len(o)) {
					t.Fatalf("slots %d and %d overlap", slot, other)
				}
			}
			fill(b, slot+1)
			slots[slot] = b
		}
		for slot, b := range slots {
			release(slot, b)
		}
		wantLive(t, start)
	})
}

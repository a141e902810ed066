//go:build gc && !zmem_nolinkname && !leak && !race && !asan && !msan

package z

import (
	"runtime"
	"testing"

	"github.com/zmem-go/zmem/c"
)

// Should this fail with a new version of Go, then that keeps g.m.p elsewhere: everything works, but
// Calloc and Free take half as long again.
func TestFast_FindsP(t *testing.T) {
	if fastProcs != maxProcs {
		t.Fatalf("g.m.p was not found in %s", runtime.Version())
	}
	Free(Calloc(32)) // so that this P has a cache
	procPin()
	fast := cacheOfP()
	pinned := pin()
	procUnpin()
	procUnpin()
	if fast != pinned {
		t.Errorf("the cache is %p one way and %p the other", fast, pinned)
	}
}

func TestFast_UnknownLayoutIsRefused(t *testing.T) {
	notInG := uintptr(1)<<62 - uintptr(getg()) // where nothing can be mapped
	for _, offsetofM := range []uintptr{0, 8, offsetofM - 8, notInG} {
		if at, procs := findP(offsetofM); at != 0 || procs != 0 {
			t.Errorf("with g.m at %d: found m.p at %d, for %d Ps", int64(offsetofM), at, procs)
		}
	}
}

// Without the fast path all is as with it.
func TestFast_CanBeWithout(t *testing.T) {
	defer func(procs uint32) { fastProcs = procs }(fastProcs)
	fastProcs = 0
	bytes, objects := NumAllocBytes(), NumAllocs()
	for n := range 3000 {
		b := Calloc(n)
		if len(b) != n || cap(b) != n {
			t.Fatalf("Calloc(%d) has length %d, capacity %d", n, len(b), cap(b))
		}
		for i := range b {
			if b[i] != 0 {
				t.Fatalf("Calloc(%d) is not zero", n)
			}
			b[i] = 1
		}
		Free(b)
	}
	if NumAllocBytes() != bytes || NumAllocs() != objects {
		t.Errorf("%d bytes in %d blocks are left", NumAllocBytes()-bytes, NumAllocs()-objects)
	}
}

// A block is cleared up to its end and not beyond, with AVX and without.
func TestFast_ClearsNoMore(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer SetProfileRate(SetProfileRate(0))
	for _, avx := range []bool{false, hasAVX} {
		func() {
			defer func(was bool) { hasAVX = was }(hasAVX)
			hasAVX = avx
			same, all := 0, 0
			for class := range c.NumClasses {
				size := int(c.ClassSize(class))
				smallest := 1
				if class > 0 {
					smallest = int(c.ClassSize(class-1)) + 1
				}
				for n := smallest; n <= size; n += 1 + n/300 {
					block := Calloc(size)
					for i := range block {
						block[i] = 0xff
					}
					Free(block)
					b := Calloc(n)
					all++
					if startOf(b) == startOf(block) {
						same++
						expectCleared(t, bytesAt(startOf(b), size), n)
					}
					Free(b)
				}
			}
			if same < all*9/10 {
				t.Errorf("only %d of %d blocks came back at once", same, all)
			}
		}()
	}
}

// expectCleared has the first n bytes of a block that was full of 0xff be 0, and what follows them
// and the word or two that they end in 0xff.
func expectCleared(t *testing.T, block []byte, n int) {
	t.Helper()
	slack := 16
	if n > 32 {
		slack = 1
	}
	for i, v := range block {
		if i < n && v != 0 || i >= (n+slack-1)/slack*slack && v != 0xff {
			t.Fatalf("byte %d of a block of %d is %#x, of which %d were asked for", i, len(block), v, n)
		}
	}
}

// What is sampled goes the other way, and does not get into a magazine when it is freed.
func TestFast_LeavesSamplesAlone(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	Free(Calloc(32))
	k := repin()
	at := k.AllocatedBytes + 32
	k.SampleAt = at // the next
	unpin(k)
	b := Calloc(32)
	if !isSampled(startOf(b)) {
		t.Error("the block is not sampled")
	}
	k = repin()
	loaded := k.Shelves[classOf(32)].Len
	if k.SampleAt <= at {
		t.Errorf("SampleAt is %d, and was %d", k.SampleAt, at)
	}
	unpin(k)
	Free(b)
	k = repin()
	defer unpin(k)
	if k.Shelves[classOf(32)].Len != loaded {
		t.Error("the block is in a magazine")
	}
}

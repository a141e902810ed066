package z_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/zmem-go/zmem/z"
)

func TestAllocatorPool(t *testing.T) {
	start := liveNow()
	p := z.NewAllocatorPool(2)
	a := p.Get(1000, "first")
	ref := a.Ref
	if a.Allocated() != 1024 || a.Tag != "first" {
		t.Fatal(a)
	}
	fill(a.Allocate(5000), 0xff)
	k := a.Cursor()
	k.Allocate(10)
	grown := a.Allocated()
	p.Return(a)
	p.Return(a)
	wantPanic(t, func() { a.Allocate(1) }, "use after Release")
	wantPanic(t, func() { k.Allocate(1) }, "use after Release")
	if z.AllocatorFrom(ref) != nil {
		t.Error("its ref outlived Return")
	}
	wantLive(t, live{start.bytes + int64(grown), liveNow().blocks})

	b := p.Get(1, "second")
	if b == a || b.Ref == ref || b.Tag != "second" || b.Allocated() != grown || b.Size() != 0 || z.AllocatorFrom(b.Ref) != b {
		t.Errorf("got %v, had %v", b, a)
	}
	if !isZero(b.Allocate(5000)) {
		t.Error("what it allocates is not zero")
	}
	a.Release() // of what is somebody else's by now
	if b.Allocated() != grown {
		t.Error("released through its last life")
	}
	more := []*z.Allocator{b, p.Get(1024), p.Get(1024), z.NewAllocator(1024)}
	for _, m := range more {
		p.Return(m)
	}
	if got := liveNow().bytes - start.bytes; got != int64(grown)+1024 {
		t.Errorf("a pool of two holds %d bytes", got)
	}
	p.Return(nil)
	p.Release()
	wantLive(t, start)
	p.Release()

	c := p.Get(512) // as of a nil pool
	p.Return(c)
	wantLive(t, start)
}

func TestAllocatorPool_Nil(t *testing.T) {
	start := liveNow()
	var p *z.AllocatorPool
	a := p.Get(512, "tag")
	if a.Tag != "tag" || a.Allocated() != 512 {
		t.Error(a)
	}
	p.Return(a)
	p.Return(nil)
	wantLive(t, start)
	p.Release()
}

// What is too large to be kept is trimmed, and the Allocator works on.
func TestAllocatorPool_TrimsOnReturn(t *testing.T) {
	p := z.NewAllocatorPool(1)
	defer p.Release()
	a := p.Get(512 << 20)
	a.Allocate(16)
	p.Return(a)
	a = p.Get(1)
	if a.Allocated() != 0 || len(a.Allocate(100)) != 100 {
		t.Error(a)
	}
	p.Return(a)
}

// Collections release what nobody asks for.
func TestAllocatorPool_IdleOnesGo(t *testing.T) {
	start := liveNow()
	p := z.NewAllocatorPool(4)
	defer p.Release()
	var got []*z.Allocator
	for range 4 {
		got = append(got, p.Get(1<<20))
	}
	for _, a := range got {
		p.Return(a)
	}
	if !eventually(func() bool { runtime.GC(); return liveNow() == start }) {
		t.Errorf("%d bytes are still kept", liveNow().bytes-start.bytes)
	}
}

func TestAllocatorPool_ClosedWhileInUse(t *testing.T) {
	start := liveNow()
	for range 20 {
		p := z.NewAllocatorPool(4)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := range 100 {
					a := p.Get(512)
					if b := a.Allocate(100 + i); !isZero(b) {
						t.Error("not zero")
					} else {
						fill(b, 0xff)
					}
					p.Return(a)
					if g == 0 && i == 50 {
						p.Release()
					}
				}
			}()
		}
		wg.Wait()
		wantLive(t, start)
	}
}

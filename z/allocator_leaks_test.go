//go:build leak

package z_test

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/zmem-go/zmem/z"
)

//go:noinline
func allocatorFromHere(size int, tag string) *z.Allocator { return z.NewAllocator(size, tag) }

//go:noinline
func getFromHere(p *z.AllocatorPool, tag string) *z.Allocator { return p.Get(512, tag) }

// A leaked Allocator is one line: its creator, its tag, the bytes of all its chunks.
func TestLeaks_Allocator(t *testing.T) {
	start := liveNow()
	a := allocatorFromHere(512, "index")
	k := a.Cursor()
	for range 1000 {
		a.Allocate(100)
		k.Allocate(100)
	}
	a.Allocate(1 << 20)
	leaks := z.Leaks()
	bytes := liveNow().bytes - start.bytes
	want := regexp.MustCompile(`^LEAK: (\d+) at func: \S+/z_test\.allocatorFromHere allocator_leaks_test\.go:\d+ ` +
		`\(\d+ blocks, tag "index"\)\n    \S+\.TestLeaks_Allocator `)
	if m := want.FindStringSubmatch(leaks); m == nil || strings.Count(leaks, "LEAK") != 1 || m[1] != fmt.Sprint(bytes) {
		t.Errorf("Leaks of %d bytes:\n%s\nwant a match of %s", bytes, leaks, want)
	}
	a.Reset()
	a.TrimTo(512)
	if leaks := z.Leaks(); !strings.HasPrefix(leaks, "LEAK: 512 at func: ") || !strings.Contains(leaks, `(1 block, tag "index")`) {
		t.Errorf("after TrimTo:\n%s", leaks)
	}
	a.Release()
	if leaks := z.Leaks(); leaks != "no leaks found\n" {
		t.Errorf("after Release:\n%s", leaks)
	}
}

// One from a pool is who got it last's.
func TestLeaks_AllocatorOfAPool(t *testing.T) {
	p := z.NewAllocatorPool(1)
	p.Return(allocatorFromHere(512, "first"))
	a := getFromHere(p, "second")
	leaks := z.Leaks()
	p.Return(a)
	p.Release()
	want := regexp.MustCompile(`^LEAK: 512 at func: \S+\.getFromHere allocator_leaks_test\.go:\d+ \(1 block, tag "second"\)\n`)
	if !want.MatchString(leaks) || strings.Count(leaks, "LEAK") != 1 {
		t.Errorf("Leaks:\n%s\nwant a match of %s", leaks, want)
	}
	if leaks := z.Leaks(); leaks != "no leaks found\n" {
		t.Errorf("after Release:\n%s", leaks)
	}
}

// dropFromHere makes an Allocator with an open Cursor that nobody has, and says what can be known
// of it.
//
//go:noinline
func dropFromHere() (ref uint64, marked []byte, allocated uint64) {
	a := z.NewAllocator(512, "dropped")
	marked = a.Allocate(1000)
	fill(marked, 0xff)
	a.Cursor().Allocate(10)
	return a.Ref, marked, a.Allocated()
}

//go:noinline
func wantFound(t *testing.T, ref, allocated uint64) {
	t.Helper()
	a := z.AllocatorFrom(ref)
	if a == nil || a.Ref != ref || a.Tag != "dropped" || a.Allocated() != allocated {
		t.Fatalf("found %v, want %d bytes", a, allocated)
	}
	if size := a.Size(); size < 1010 || uint64(size) > allocated {
		t.Errorf("Size %d of %d", size, allocated)
	}
	runtime.GC()
	if leaks := z.Leaks(); strings.Contains(leaks, "UNREACHABLE") || z.AllocatorFrom(ref) != a {
		t.Errorf("Leaks of one that was found:\n%s", leaks)
	}
}

// One that nobody has is listed as that, until somebody finds it by its Ref.
func TestLeaks_AllocatorUnreachable(t *testing.T) {
	listed := z.Allocators()
	ref, marked, allocated := dropFromHere()
	want := regexp.MustCompile(fmt.Sprintf(`^UNREACHABLE: %d bytes, never released: `+
		`1 x Allocator \(except by its Ref\) from func: \S+/z_test\.dropFromHere allocator_leaks_test\.go:\d+\n`+
		`    \S+\.TestLeaks_AllocatorUnreachable .*\n(    .*\n)*LEAK: %[1]d at func: \S+\.dropFromHere `, allocated))
	for range 3 {
		runtime.GC()
		if leaks := z.Leaks(); !want.MatchString(leaks) || strings.Count(leaks, "UNREACHABLE") != 1 {
			t.Fatalf("Leaks:\n%s\nwant a match of %s", leaks, want)
		}
		wantFound(t, ref, allocated)
	}
	if got, want := z.Allocators(), fmt.Sprintf("Tag: dropped Num: 1 Size: %d\n", allocated); got != listed+want {
		t.Errorf("Allocators: %q, want %q", got, listed+want)
	}

	a := z.AllocatorFrom(ref)
	if b := a.Allocate(1000); !isZero(b) {
		t.Error("not zero")
	}
	for i, m := range marked {
		if m != 0xff {
			t.Fatalf("byte %d was given out twice", i)
		}
	}
	a.Reset()
	if a.Size() != 0 {
		t.Errorf("Size after Reset: %d", a.Size())
	}
	a.Release()
	wantPanic(t, func() { a.Allocate(1) }, "use after Release")
	runtime.GC()
	if leaks := z.Leaks(); leaks != "no leaks found\n" || z.AllocatorFrom(ref) != nil {
		t.Errorf("after Release:\n%s", leaks)
	}
}

//go:noinline
func cursorFromHere() (uint64, *z.Cursor) {
	a := z.NewAllocator(512)
	return a.Ref, a.Cursor()
}

// What ended its use, or is in use, is not listed as unreachable.
func TestLeaks_AllocatorNotUnreachable(t *testing.T) {
	p := z.NewAllocatorPool(2)
	p.Return(p.Get(512))
	p.Return(z.NewAllocator(512))
	z.NewAllocator(512).Release()
	kept := z.NewAllocator(512)
	ref, k := cursorFromHere()
	runtime.GC()
	if leaks := z.Leaks(); strings.Contains(leaks, "UNREACHABLE") {
		t.Errorf("Leaks:\n%s", leaks)
	}
	kept.Release()
	k.Allocate(1)
	z.AllocatorFrom(ref).Release()
	p.Release()
}

// Each is dropped, found by two goroutines at once, which are to find the same one, and released,
// while the collector and who asks for lists are at work.
func TestAllocatorFrom_ManyDropped(t *testing.T) {
	start := liveNow()
	const goroutines, rounds = 4, 100
	stop := make(chan struct{})
	var lists, wg sync.WaitGroup
	lists.Add(1)
	go func() {
		defer lists.Done()
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
				_, _ = z.Leaks(), z.Allocators()
			}
		}
	}()
	for range goroutines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range rounds {
				ref, _, _ := dropFromHere()
				if i%10 == 0 {
					runtime.GC() // else it is chance whether it is garbage by now
				}
				other := make(chan *z.Allocator)
				go func() { other <- z.AllocatorFrom(ref) }()
				a := z.AllocatorFrom(ref)
				if b := <-other; a != b || a == nil {
					t.Errorf("found %v and %v", a, b)
					return
				}
				if !isZero(a.Allocate(100)) {
					t.Error("not zero")
				}
				a.Release()
			}
		}()
	}
	wg.Wait()
	close(stop)
	lists.Wait()
	wantLive(t, start)
	if leaks := z.Leaks(); leaks != "no leaks found\n" {
		t.Errorf("Leaks:\n%s", leaks)
	}
}

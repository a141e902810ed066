//go:build leak

package z_test

import (
	"fmt"
	"regexp"
	"strings"
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

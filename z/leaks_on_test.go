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

// TestCalloc leaks 128 bytes on purpose and shows what Leaks says of them.
func TestCalloc(t *testing.T) {
	b := z.Calloc(128)
	leaks := z.Leaks()
	t.Log("\n" + leaks)
	z.Free(b)
	want := regexp.MustCompile(`^LEAK: 128 at func: \S+/z_test\.TestCalloc leaks_on_test\.go:\d+ \(1 block\)\n    testing\.tRunner `)
	if !want.MatchString(leaks) {
		t.Errorf("Leaks:\n%s\nwant a match of %s", leaks, want)
	}
	if after := z.Leaks(); after != "no leaks found\n" {
		t.Errorf("Leaks after Free:\n%s", after)
	}
}

//go:noinline
func fromHere(n int, tag ...string) []byte { return z.Calloc(n, tag...) }

func TestLeaks_LargestFirstTagsApart(t *testing.T) {
	var blocks [][]byte
	for range 3 {
		blocks = append(blocks, fromHere(100, "small"))
	}
	blocks = append(blocks, fromHere(1000, "large"), z.CallocAligned(64, 64), z.CallocNoRef(65))
	try, err := z.TryCalloc(66)
	if err != nil {
		t.Fatal(err)
	}
	blocks = append(blocks, try)
	leaks := z.Leaks()
	for _, b := range blocks {
		z.Free(b)
	}
	var heads []string
	for line := range strings.Lines(leaks) {
		if strings.HasPrefix(line, "LEAK") {
			heads = append(heads, line)
		}
	}
	want := []string{
		`LEAK: 1000 at func: \S+\.fromHere leaks_on_test.go:\d+ \(1 block, tag "large"\)`,
		`LEAK: 300 at func: \S+\.fromHere leaks_on_test.go:\d+ \(3 blocks, tag "small"\)`,
		`LEAK: 66 at func: \S+\.TestLeaks_LargestFirstTagsApart leaks_on_test.go:\d+ \(1 block\)`,
		`LEAK: 65 at func: \S+\.TestLeaks_LargestFirstTagsApart leaks_on_test.go:\d+ \(1 block\)`,
		`LEAK: 64 at func: \S+\.TestLeaks_LargestFirstTagsApart leaks_on_test.go:\d+ \(1 block\)`,
	}
	if len(heads) != len(want) {
		t.Fatalf("%d sites, want %d:\n%s", len(heads), len(want), leaks)
	}
	for i := range want {
		if !regexp.MustCompile("^" + want[i] + "\n$").MatchString(heads[i]) {
			t.Errorf("line %d: %swant: %s", i, heads[i], want[i])
		}
	}
	if !strings.Contains(leaks, "    github.com/zmem-go/zmem/z_test.TestLeaks_LargestFirstTagsApart leaks_on_test.go:") {
		t.Errorf("the caller of fromHere is missing:\n%s", leaks)
	}
}

func TestLeaks_TagAndStackLongerThanKept(t *testing.T) {
	tag := strings.Repeat("t", 1000)
	var b []byte
	var deep func(n int)
	deep = func(n int) {
		if n == 0 {
			b = z.Calloc(24, tag)
			return
		}
		deep(n - 1)
	}
	deep(200)
	leaks := z.Leaks()
	z.Free(b)
	if !strings.Contains(leaks, fmt.Sprintf("tag %q", tag[:64])) || strings.Count(leaks, "\n") != 64 {
		t.Errorf("want 64 bytes of tag and 64 calls:\n%s", leaks)
	}
}

func TestFree_Twice(t *testing.T) {
	b := z.Calloc(40)
	z.Free(b)
	start := liveNow()
	wantPanic(t, func() { z.Free(b) }, "z: Free: 40 bytes at 0x", "freed already",
		"allocated by:\n    github.com/zmem-go/zmem/z_test.TestFree_Twice leaks_on_test.go",
		"freed by:\n    github.com/zmem-go/zmem/z_test.TestFree_Twice leaks_on_test.go")
	wantLive(t, start)
}

func TestFree_NotTheStart(t *testing.T) {
	b := z.Calloc(100)
	start := liveNow()
	wantPanic(t, func() { z.Free(b[32:]) }, "68 bytes at", "32 bytes into one of 100 bytes",
		"allocated by:\n    github.com/zmem-go/zmem/z_test.TestFree_NotTheStart")
	wantPanic(t, func() { z.Free(b[:50:50]) }, "50 bytes at", "a block of 100 bytes",
		"allocated by:\n    github.com/zmem-go/zmem/z_test.TestFree_NotTheStart")
	wantLive(t, start)
	z.Free(b)
}

func TestFree_Foreign(t *testing.T) {
	start := liveNow()
	wantPanic(t, func() { z.Free(make([]byte, 64)) }, "64 bytes at 0x", "not live manual memory")
	var local [16]byte
	wantPanic(t, func() { z.Free(local[:]) }, "not live manual memory")
	wantLive(t, start)
}

// The tables live in C memory: a million tracked pairs and ten thousand live blocks must not grow
// the Go heap.
func TestLeaks_GoHeapDoesNotGrow(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	blocks := make([][]byte, 10_000)
	before := heap()
	for i := range blocks {
		blocks[i] = z.Calloc(32)
	}
	for range 100_000 {
		z.Free(z.Calloc(32))
	}
	after := heap()
	for _, b := range blocks {
		z.Free(b)
	}
	if after > before+64<<10 {
		t.Errorf("HeapAlloc went from %d to %d", before, after)
	}
}

func TestLeaks_ManyGoroutinesOneTruth(t *testing.T) {
	const goroutines, each = 8, 2000
	kept := make([][]byte, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			kept[g] = z.Calloc(1<<g, "kept")
			for range each {
				z.Free(z.Calloc(16, "passing"))
			}
			_ = z.Leaks()
		}()
	}
	wg.Wait()
	leaks := z.Leaks()
	for _, b := range kept {
		z.Free(b)
	}
	if !strings.Contains(leaks, `LEAK: 255 at func: `) || !strings.Contains(leaks, `(8 blocks, tag "kept")`) ||
		strings.Contains(leaks, "passing") {
		t.Errorf("Leaks:\n%s", leaks)
	}
}

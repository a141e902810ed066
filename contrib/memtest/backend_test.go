package main

import (
	"bytes"
	"slices"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

func TestFill_WritesEveryByte(t *testing.T) {
	for _, n := range []int{1, 2, 7, page - 1, page, page + 1, 3*page - 1, 3 * page, 1 << 20} {
		b := make([]byte, n)
		if err := fill(b, 7); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if bytes.Count(b, []byte{7}) != n {
			t.Errorf("%d bytes: only %d written", n, bytes.Count(b, []byte{7}))
		}
		if err := verify(b); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestFill_FindsDirt(t *testing.T) {
	const n = 3*page + 10
	for _, at := range []int{0, page, 2 * page, 3 * page, n - 1} {
		b := make([]byte, n)
		b[at] = 1
		if err := fill(b, 7); err != errNotZero {
			t.Errorf("byte %d dirty: %v", at, err)
		}
	}
}

func TestVerify_FindsChanges(t *testing.T) {
	const n = 3*page + 10
	for _, at := range []int{0, 1, page - 1, page, 2 * page, 3 * page, n - 1} {
		b := make([]byte, n)
		if err := fill(b, 7); err != nil {
			t.Fatal(err)
		}
		b[at]++
		if err := verify(b); err != errChanged {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	if err := verify(make([]byte, n)); err != errChanged {
		t.Errorf("all zero again: %v", err)
	}
}

// lists are all the lists there are; the manual one is on this process's default backend.
func lists() map[string]backend {
	return map[string]backend{"go": newGoList(), z.Backend(): &manualList{}}
}

func TestBackend_FreesWhatVisitSays(t *testing.T) {
	sizes := []int{1, 100, page, 3 * page, 1 << 20, 5}
	for name, l := range lists() {
		before := l.left()
		var total int64
		for i, n := range sizes {
			if err := l.push(n, byte(i+1)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			total += int64(n) + nodeSize
		}
		if got := l.inUse() - before; got != total {
			t.Errorf("%s: %d in use, want %d", name, got, total)
		}
		// The front is the latest. Free 5 and 1<<20, keep 3 pages, stop at the page.
		script := []verdict{free, free, keep, stop}
		if err := l.walk(func() verdict { v := script[0]; script = script[1:]; return v }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		total -= 5 + 1<<20 + 2*nodeSize
		if got := l.inUse() - before; got != total || len(script) != 0 {
			t.Errorf("%s: %d in use after the walk, want %d", name, got, total)
		}
		if err := l.walk(func() verdict { return free }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := l.left() - before; got != 0 {
			t.Errorf("%s: %d bytes left", name, got)
		}
		if err := l.giveBack(); err != nil {
			t.Errorf("%s: giveBack: %v", name, err)
		}
		if l.stats() == (z.MemStats{}) {
			t.Errorf("%s: no statistics", name)
		}
	}
}

func TestBackend_FindsDamage(t *testing.T) {
	goes, manual := newGoList(), &manualList{}
	for _, l := range []backend{goes, manual} {
		for range 3 {
			if err := l.push(2*page, 9); err != nil {
				t.Fatal(err)
			}
		}
	}
	goes.front.next.buf[page] ^= 1
	second := manual.front.next
	unsafe.Slice((*byte)(second.buf), second.size)[page] ^= 1
	for _, l := range []backend{goes, manual} {
		before := l.inUse()
		if err := l.walk(func() verdict { return free }); err != errChanged {
			t.Errorf("%T: %v", l, err)
		}
		if freed := before - l.inUse(); freed != 3*(2*int64(page)+nodeSize) {
			t.Errorf("%T: only %d bytes freed", l, freed)
		}
	}
}

func TestManualList_OutOfMemoryChangesNothing(t *testing.T) {
	l := &manualList{}
	before := z.NumAllocBytes()
	if err := l.push(z.MaxArrayLen, 1); err == nil {
		t.Fatal("got more memory than any machine has")
	}
	if z.NumAllocBytes() != before || l.front != nil {
		t.Errorf("%d bytes left behind", z.NumAllocBytes()-before)
	}
}

func TestOpenBackend(t *testing.T) {
	names := backends()
	if !slices.Contains(names, goBackend) {
		t.Fatal("no go")
	}
	for _, name := range names {
		_, isGo := openBackend(name).(*goList)
		if isGo != (name == goBackend) {
			t.Errorf("%s opens the other kind of list", name)
		}
	}
}

package ztest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
	"github.com/zmem-go/zmem/z/ztest"
)

// notFreed is what a report of one block of n bytes says.
func notFreed(n int) string {
	return fmt.Sprintf("%d bytes of manual memory were not freed (blocks: 1)", n)
}

func TestCheck(t *testing.T) {
	if got := run("clean", func(r *recorder) {
		ztest.Check(r, noWait)
		z.Free(z.Calloc(100))
	}); got != "" {
		t.Errorf("with nothing left: %s", got)
	}
	old := leak(10, "old")
	var b []byte
	got := run("leaky", func(r *recorder) {
		ztest.Check(r, noWait)
		b = leak(100, "index")
	})
	if !strings.Contains(got, notFreed(100)) || strings.Contains(got, `"old"`) {
		t.Errorf("with 100 bytes left: %q", got)
	}
	wantNamed(t, got)
	z.Free(b)
	z.Free(old)
}

// What is freed by deferred functions and by cleanups that were registered after Check is no leak;
// what one frees that was registered before it is reported, as the documentation says.
func TestCheck_RunsAfterCleanups(t *testing.T) {
	if got := run("cleanups", func(r *recorder) {
		ztest.Check(r, noWait)
		b, d := leak(100, "cleanup"), leak(100, "deferred")
		r.Cleanup(func() { z.Free(b) })
		defer z.Free(d)
	}); got != "" {
		t.Errorf("freed by a cleanup: %s", got)
	}
	if got := run("too early", func(r *recorder) {
		var b []byte
		r.Cleanup(func() { z.Free(b) })
		ztest.Check(r, noWait)
		b = leak(100, "early")
	}); !strings.Contains(got, notFreed(100)) {
		t.Errorf("freed by a cleanup from before Check: %q", got)
	}
	if n := z.NumAllocs(); n != 0 {
		t.Errorf("%d blocks are left", n)
	}
}

func TestCheck_WaitsForGoroutines(t *testing.T) {
	if got := run("late", func(r *recorder) {
		ztest.Check(r, ztest.Wait(10*time.Second))
		b := leak(100, "late")
		time.AfterFunc(50*time.Millisecond, func() { z.Free(b) })
	}); got != "" {
		t.Errorf("freed 50 ms later: %s", got)
	}
}

// A leak of one subtest fails neither the next nor the parent, and both still see their own.
func TestCheck_ReportsOnce(t *testing.T) {
	var left [][]byte
	keep := func(n int) { left = append(left, leak(n, "kept")) }
	var first, second, third string
	parent := run("parent", func(r *recorder) {
		ztest.Check(r, noWait)
		first = run("parent/first", func(r *recorder) { ztest.Check(r, noWait); keep(100) })
		second = run("parent/second", func(r *recorder) { ztest.Check(r, noWait) })
		third = run("parent/third", func(r *recorder) { ztest.Check(r, noWait); keep(70) })
		keep(30)
	})
	for _, c := range []struct {
		name, got string
		want      int
	}{{"first", first, 100}, {"second", second, 0}, {"third", third, 70}, {"parent", parent, 30}} {
		if c.want == 0 && c.got != "" || c.want != 0 && (!strings.Contains(c.got, notFreed(c.want)) || strings.Count(c.got, "not freed") != 1) {
			t.Errorf("%s: %q, want one report of %d", c.name, c.got, c.want)
		}
	}
	if got := verify(noWait); got != "" {
		t.Errorf("VerifyNone, after all was reported: %s", got)
	}
	if err := ztest.Find(noWait); err != nil {
		t.Errorf("Find, after all was reported: %v", err)
	}
	for _, b := range left {
		z.Free(b)
	}
	left = nil
	// What was reported and freed since makes up for nothing.
	if got := run("after", func(r *recorder) { ztest.Check(r, noWait); keep(100) }); !strings.Contains(got, notFreed(100)) {
		t.Errorf("the same leak again: %q", got)
	}
	z.Free(left[0])
}

// The last of those that ran at the same time reports what is left, whoever left it.
func TestCheck_OfParallelTests(t *testing.T) {
	begin := func(name string, opts ...ztest.Option) *recorder {
		r := &recorder{name: name}
		ztest.Check(r, append(opts, noWait)...)
		return r
	}
	a, b := begin("a"), begin("b")
	held := leak(100, "b holds it")
	if got := a.end(); got != "" {
		t.Errorf("a sees what b holds: %s", got)
	}
	z.Free(held)
	if got := b.end(); got != "" {
		t.Errorf("b, with nothing left: %s", got)
	}

	// b's base has what a holds: when a frees it, what b leaks is missed by b, but not by a.
	a = begin("a")
	held = leak(100, "a holds it")
	b = begin("b")
	c := begin("c")
	lost := leak(100, "lost")
	z.Free(held)
	if got := a.end() + b.end(); got != "" {
		t.Errorf("those that ended first: %s", got)
	}
	got := c.end()
	if !strings.Contains(got, notFreed(100)) || strings.Count(got, "not freed") != 1 ||
		!strings.Contains(got, "at the same time: a, b, c") {
		t.Errorf("the last one: %q", got)
	}
	if got := begin("d").end(); got != "" {
		t.Errorf("one that comes later: %s", got)
	}
	z.Free(lost)

	// A parent around them is not at the same time.
	p := begin("p")
	a, b = begin("p/a"), begin("p/b")
	lost = leak(100, "lost")
	if got := b.end(); got != "" {
		t.Errorf("p/b, which ended first: %s", got)
	}
	if got := a.end(); !strings.Contains(got, notFreed(100)) || !strings.Contains(got, "at the same time: p/a, p/b") {
		t.Errorf("p/a, which ended last: %q", got)
	}
	if got := p.end(); got != "" {
		t.Errorf("p: %s", got)
	}
	z.Free(lost)
}

func TestCheck_Tag(t *testing.T) {
	a, b := &recorder{name: "a"}, &recorder{name: "b"}
	ztest.Check(a, ztest.Tag("a"), noWait)
	ztest.Check(b, ztest.Tag("b"), noWait)
	lost, held := leak(100, "a"), leak(70, "b")
	gotA := a.end()
	z.Free(held)
	gotB := b.end()
	if z.LeakTracking {
		if !strings.Contains(gotA, notFreed(100)) || strings.Contains(gotA, `tag "b"`) || gotB != "" {
			t.Errorf("a: %q\nb: %q", gotA, gotB)
		}
	} else if gotA != "" || !strings.Contains(gotB, notFreed(100)) ||
		!strings.Contains(gotB, "at the same time: a, b") || !strings.Contains(gotB, "blocks of all tags count") {
		t.Errorf("a: %q\nb: %q", gotA, gotB)
	}
	z.Free(lost)
	if got := verify(noWait); got != "" {
		t.Errorf("with all freed: %s", got)
	}

	// A tag is known as far as a site keeps it.
	long := strings.Repeat("long ", 30)
	b1 := leak(10, long)
	if got := verify(noWait, ztest.Tag(long)); !strings.Contains(got, notFreed(10)) {
		t.Errorf("a long tag: %q", got)
	}
	z.Free(b1)
	if got := verify(noWait); got != "" {
		t.Errorf("with all freed: %s", got)
	}

	other := leak(10, "other")
	if got := verify(noWait, ztest.Tag("this"), ztest.Tag("that")); (got == "") != z.LeakTracking {
		t.Errorf("a block with another tag: %q", got)
	}
	z.Free(other)
}

// Without any scope a tag would be looked for among all: two tests with the same tag see each other.
func TestCheck_TagOfParallelTests(t *testing.T) {
	a, b := &recorder{name: "a"}, &recorder{name: "b"}
	ztest.Check(a, ztest.Tag("same"), noWait)
	ztest.Check(b, ztest.Tag("same"), noWait)
	held := leak(100, "same")
	if got := a.end(); got != "" {
		t.Errorf("a sees what b holds: %s", got)
	}
	z.Free(held)
	if got := b.end(); got != "" {
		t.Errorf("b, with nothing left: %s", got)
	}
}

func TestCheck_Of(t *testing.T) {
	noise := leak(100, "somebody else's")
	p := z.NewAllocatorPool(1)
	if got := run("released", func(r *recorder) {
		released, returned := z.NewAllocator(1000, "mine"), p.Get(1000, "pool's")
		ztest.Check(r, ztest.Of(released), ztest.Of(returned), ztest.Of(nil), noWait)
		lost = append(lost, leak(100, "not looked at"))
		released.Allocate(10)
		r.Cleanup(released.Release)
		r.Cleanup(func() { p.Return(returned) })
	}); got != "" {
		t.Errorf("released and returned: %s", got)
	}
	p.Release()

	a := z.NewAllocator(512, "lost")
	start := ztest.IgnoreCurrent()
	a.Allocate(100_000) // another chunk
	outer := run("outer", func(r *recorder) {
		ztest.Check(r, start, noWait)
		got := run("outer/inner", func(r *recorder) {
			ztest.Check(r, ztest.Of(a), noWait)
			a.Allocate(1000)
		})
		if !strings.Contains(got, fmt.Sprintf("Allocator %d %q", a.Ref, "lost")) || !strings.Contains(got, "not released") {
			t.Errorf("inner: %q", got)
		}
		if z.LeakTracking && !strings.Contains(got, ".TestCheck_Of check_test.go:") {
			t.Errorf("inner does not say who made it: %q", got)
		}
	})
	if outer != "" {
		t.Errorf("outer, with an Allocator that was reported: %s", outer)
	}
	a.Release()
	z.Free(noise)
	got := verify(noWait)
	if !strings.Contains(got, notFreed(100)) {
		t.Errorf("what Of did not look at: %q", got)
	}
	freeAll(t)
}

// freeAll gives up on what is left, so that the tests after this one find nothing: it was lost on
// purpose, and its test told.
func freeAll(t *testing.T) {
	for _, b := range lost {
		z.Free(b)
	}
	lost = nil
	if n := z.NumAllocs(); n != 0 {
		t.Errorf("%d blocks are left", n)
	}
}

var lost [][]byte

func TestCheck_SaysWhenItIsTooLate(t *testing.T) {
	r := &recorder{name: "late"}
	t.Run("test", func(t *testing.T) {
		t.Cleanup(func() { ztest.Check(r) })
	})
	if got := r.end(); !strings.Contains(got, "Check was called in a cleanup") {
		t.Errorf("in a cleanup: %q", got)
	}
}

// Two Checks of one test find a leak once.
func TestCheck_Twice(t *testing.T) {
	var b []byte
	got := run("twice", func(r *recorder) {
		ztest.Check(r, noWait)
		ztest.Check(r, noWait)
		b = leak(100, "once")
	})
	if strings.Count(got, notFreed(100)) != 1 {
		t.Errorf("%q", got)
	}
	z.Free(b)
}

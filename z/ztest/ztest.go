// Package ztest fails tests that leave manual memory behind, as goleak does for goroutines:
//
//	func TestIndex(t *testing.T) {
//		ztest.Check(t)
//		...
//	}
//
// Check stands first in a test, and looks when the test and its cleanups are done. For all tests of
// a package together there is
//
//	func TestMain(m *testing.M) { ztest.VerifyTestMain(m) }
//
// What was left is named by the stacks that allocated it where the tests were built with the leak
// tag (go test -tags leak), and by its bytes otherwise. The counters behind that are exact: blocks
// that lie in caches are free.
//
// A leak fails one test. What Check or VerifyNone reported, no later subtest, parent or
// VerifyTestMain reports again.
//
// # Parallel tests
//
// Manual memory is the whole process's. While tests with Check run at the same time (t.Parallel),
// nobody can tell whose a block is by looking at what is live. So a test that ends before the others
// leaves the verdict to them: the last to end reports what is left, and names all the tests that may
// have left it. It sees only tests with a Check; and t.Parallel is to be called before Check, or
// all tests that run while this one is paused count as running at the same time.
//
// Tag and Of give each test a verdict of its own:
//
//	a := z.NewAllocator(1 << 20)
//	ztest.Check(t, ztest.Of(a))               // a is released: with and without the leak tag
//	ztest.Check(t, ztest.Tag("TestIndex"))    // no block with this tag is left: with the leak tag
package ztest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

// Option changes what Check, Find and the Verify functions do.
type Option func(*options)

type options struct {
	wait       time.Duration
	since      mark
	taken      caller // of IgnoreCurrent
	tags       []string
	allocators []*z.Allocator
}

func optionsOf(opts []Option) options {
	o := options{wait: time.Second}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// IgnoreCurrent makes an option that passes over the memory that is live now, when IgnoreCurrent is
// called:
//
//	defer ztest.VerifyNone(t, ztest.IgnoreCurrent())
//
// With the leak tag, that is so many blocks of each site; without, so many in all. Check does so by
// itself.
//
// Go evaluates the arguments of a deferred call at once, but those of a call inside a cleanup or a
// deferred function only there, at the end of the test. There IgnoreCurrent would pass over all that
// the test left; VerifyNone fails the test then.
func IgnoreCurrent() Option {
	since, taken := now(), callerOf()
	return func(o *options) { o.since, o.taken = since, taken }
}

// Wait makes an option that sets how long to wait for goroutines that have yet to free what they
// hold; 1 second without it.
func Wait(d time.Duration) Option {
	return func(o *options) { o.wait = d }
}

// Tag makes an option that looks only at memory with that tag: of Calloc, of NewBuffer, of
// NewAllocator. It may be given several times. Tests with tags of their own do not see each other's
// blocks, so that they may run in parallel.
//
// Only a build with the leak tag knows the tags of all blocks. Without it, Tag looks at all manual
// memory, as if it were not given: no leak is missed, but a block with another tag counts, too, and
// the report says so.
func Tag(tag string) Option {
	return func(o *options) { o.tags = append(o.tags, tag) }
}

// Of makes an option that looks only at an Allocator, which is to be released, or returned to its
// pool, by the end of the test. It may be given several times, and beside Tag. It needs no leak tag,
// and tests with Allocators of their own may run in parallel. A nil Allocator has nothing to
// release.
func Of(a *z.Allocator) Option {
	return func(o *options) { o.allocators = append(o.allocators, a) }
}

// Find returns an error that says what manual memory is live that no test was failed for, nil where
// there is none. Before it says so, it waits for it to be freed; it makes no garbage collection,
// upon which some programs free, so that a test of such a program calls runtime.GC before. Asked
// again, it says the same.
func Find(opts ...Option) error {
	c := &check{options: optionsOf(opts)}
	c.claims = []claim{c.claim()}
	return c.finish(nobody)
}

// VerifyNone fails the test where manual memory is live, and says whose. It is to be deferred:
//
//	defer ztest.VerifyNone(t)
//
// Deferred functions run before the test's cleanups, so that VerifyNone reports what a function given
// to t.Cleanup is yet to free: such tests call Check. It sees the whole process: tests that run in
// parallel (t.Parallel) without Check would find each other's.
//
// Without the leak tag, what was reported is known by its numbers of bytes and blocks alone: freed later,
// in the next test, it makes up for as much that this one leaks. Check, which looks at the start of a
// test as well, is misled only by what is freed after that.
func VerifyNone(t testing.TB, opts ...Option) {
	t.Helper()
	c := &check{name: t.Name(), options: optionsOf(opts)}
	c.claims = []claim{c.claim()}
	err := c.finish(tests)
	switch {
	case err != nil:
		t.Error(err)
	case c.ignoresAll():
		t.Error("ztest: IgnoreCurrent was called just before VerifyNone, and so passed over all that the test left " +
			"(" + c.since.live.brief() + "): call it at the start of the test, or call Check there")
	}
}

// ignoresAll reports whether IgnoreCurrent was called where VerifyNone was, and not before, with
// memory that was live then as it is now.
func (c *check) ignoresAll() bool {
	from := callerOf()
	return c.taken.function != "" && c.taken == from &&
		c.since.live.bytes > 0 && c.since.live.bytes == live().bytes
}

// caller is a call in somebody's function.
type caller struct {
	function string
	line     int
}

func isOurs(function string) bool {
	return strings.HasPrefix(function, "github.com/zmem-go/zmem/z/ztest.")
}

// callerOf is who called this package.
func callerOf() caller {
	for f := range callers() {
		if !isOurs(f.Function) {
			return caller{f.Function, f.Line}
		}
	}
	return caller{}
}

// callers are the functions on the stack, innermost first.
func callers() func(yield func(runtime.Frame) bool) {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	return func(yield func(runtime.Frame) bool) {
		for {
			f, more := frames.Next()
			if !yield(f) || !more {
				return
			}
		}
	}
}

// TestingM is what VerifyTestMain needs of *testing.M.
type TestingM interface{ Run() int }

// VerifyTestMain runs the tests and ends the process: with what they returned, or, where they
// passed but manual memory is live, with 1 and word of it on standard error. It is all that a
// TestMain needs.
func VerifyTestMain(m TestingM, opts ...Option) {
	code := m.Run()
	if code == 0 {
		if err := Find(opts...); err != nil {
			fmt.Fprintf(os.Stderr, "FAIL: the tests passed, but %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Package ztest fails tests that leave manual memory behind, as goleak does for goroutines:
//
//	func TestIndex(t *testing.T) {
//		defer ztest.VerifyNone(t)
//		...
//	}
//
// or, for all tests of a package,
//
//	func TestMain(m *testing.M) { ztest.VerifyTestMain(m) }
//
// What was left is named by the stacks that allocated it where the tests were built with the leak
// tag (go test -tags leak), and by its bytes otherwise. The counters that this goes by are exact:
// blocks that lie in caches are free.
package ztest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

// Option changes what a Verify function does.
type Option func(*options)

type options struct {
	wait time.Duration
	base memory
}

// IgnoreCurrent makes an option that passes over the memory that is live now, when IgnoreCurrent is
// called:
//
//	defer ztest.VerifyNone(t, ztest.IgnoreCurrent())
//
// With the leak tag, that is so many blocks of each site; without, so many in all.
func IgnoreCurrent() Option {
	base := live()
	return func(o *options) { o.base = base }
}

// Wait makes an option that sets how long to wait for goroutines that have yet to free what they
// hold; 1 second without it.
func Wait(d time.Duration) Option {
	return func(o *options) { o.wait = d }
}

// Find returns an error that says what manual memory is live, nil where there is none. Before it
// says so, it waits for it to be freed; it makes no garbage collection, upon which some programs
// free, so that a test of such a program calls runtime.GC before.
func Find(opts ...Option) error {
	o := options{wait: time.Second}
	for _, opt := range opts {
		opt(&o)
	}
	deadline := time.Now().Add(o.wait)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		left := live().beyond(o.base)
		if left.empty() {
			return nil
		}
		if !time.Now().Before(deadline) {
			return errors.New(left.String())
		}
		time.Sleep(pause)
	}
}

// VerifyNone fails the test where manual memory is live, and says whose. Call it at the end, which
// is to say deferred, or by t.Cleanup. It sees the whole process: tests that run in parallel
// (t.Parallel) would find each other's.
func VerifyNone(t testing.TB, opts ...Option) {
	t.Helper()
	if err := Find(opts...); err != nil {
		t.Error(err)
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

// memory is what is live, in all and, with the leak tag, at each site.
type memory struct {
	bytes, blocks int64
	sites         []z.LeakSite
}

func live() memory { return memory{z.NumAllocBytes(), z.NumAllocs(), z.LeakSites()} }

// beyond is what there is in m and was not in base.
func (m memory) beyond(base memory) memory {
	if !z.LeakTracking {
		return memory{bytes: m.bytes - base.bytes, blocks: m.blocks - base.blocks}
	}
	had := make(map[string]z.LeakSite, len(base.sites))
	for _, s := range base.sites {
		had[key(s)] = s
	}
	var more memory
	for _, s := range m.sites {
		s.Bytes -= had[key(s)].Bytes
		s.Blocks -= had[key(s)].Blocks
		if s.Blocks > 0 || s.Bytes > 0 {
			more.bytes += s.Bytes
			more.blocks += s.Blocks
			more.sites = append(more.sites, s)
		}
	}
	slices.SortStableFunc(more.sites, func(a, b z.LeakSite) int {
		return cmp.Compare(b.Bytes, a.Bytes)
	})
	return more
}

func key(s z.LeakSite) string { return fmt.Sprintf("%q %x", s.Tag, s.Stack) }

func (m memory) empty() bool { return m.bytes <= 0 && m.blocks <= 0 }

func (m memory) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d bytes of manual memory were not freed (blocks: %d)", m.bytes, m.blocks)
	if !z.LeakTracking {
		out.WriteString("; go test -tags leak says who allocated them")
	}
	for _, s := range m.sites {
		out.WriteString("\n" + strings.TrimSuffix(s.String(), "\n"))
	}
	return out.String()
}

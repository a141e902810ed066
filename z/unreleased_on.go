//go:build leak

package z

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/zmem-go/zmem/c"
)

// What has a Release, an Allocator or a Buffer, and became garbage without it holds manual memory
// that nobody frees any more. It stays so: a collector that freed it would hide the bug, until the
// day that the slices outlive what they were cut from. But it is listed by Leaks, which finds the
// weak pointer to it cleared.

var (
	watchesMu sync.Mutex
	watches   = map[any]*watch{} // by control block
)

// watch is what is known of something that was not released.
type watch struct {
	noun      string
	maker     []uintptr // the stack
	reachable func() bool
	bytes     func() uint64
}

// watchRelease has obj listed as unreachable when it is garbage, until released is called with the
// same control block. noun says what it is ("Buffer"), and bytes, which is not called after that, how
// much it holds. The function that calls watchRelease is left out of the maker's stack;
// others of this package that called that one are when it is listed.
func watchRelease[T, C any](obj *T, ctl *C, noun string, bytes func(*C) uint64) {
	var pcs [c.MaxStack]uintptr
	maker := slices.Clone(pcs[:runtime.Callers(skipToMaker+1, pcs[:])])
	watchesMu.Lock()
	defer watchesMu.Unlock()
	watches[ctl] = &watch{noun, maker, reachable(obj), func() uint64 { return bytes(ctl) }}
}

// watchAgain has obj watched in the place of one that is garbage, under the name of whose maker it
// stays.
func watchAgain[T, C any](obj *T, ctl *C) {
	watchesMu.Lock()
	defer watchesMu.Unlock()
	watches[ctl].reachable = reachable(obj)
}

func reachable[T any](obj *T) func() bool {
	p := weak.Make(obj)
	return func() bool { return p.Value() != nil }
}

// released ends what watchRelease began, and is to be called before the control block is freed.
func released[C any](ctl *C) {
	watchesMu.Lock()
	defer watchesMu.Unlock()
	delete(watches, ctl)
}

// unreleased lists what became unreachable without Release, a line and a stack for each place that
// made some.
func unreleased() string {
	type sum struct{ objects, bytes uint64 }
	sums := map[string]sum{}
	watchesMu.Lock()
	for _, w := range watches {
		if !w.reachable() {
			what := w.String()
			s := sums[what]
			sums[what] = sum{s.objects + 1, s.bytes + w.bytes()}
		}
	}
	watchesMu.Unlock()
	var out strings.Builder
	for _, what := range slices.Sorted(maps.Keys(sums)) {
		s := sums[what]
		fmt.Fprintf(&out, "UNREACHABLE: %d bytes, never released: %d x %s", s.bytes, s.objects, what)
	}
	return out.String()
}

func (w *watch) String() string {
	var out strings.Builder
	calls := frames(w.maker)
	fmt.Fprintf(&out, "%s from func: %s\n", w.noun, calls[0])
	writeStack(&out, calls[1:])
	return out.String()
}

// waitForFinalizers makes a garbage collection and waits until the finalizers of what it found have
// run, a second at most: they may release something. Twice, for what they kept reachable.
func waitForFinalizers() {
	for range 2 {
		done := make(chan struct{})
		runtime.SetFinalizer(&struct{ _ *byte }{}, func(any) { close(done) })
		runtime.GC()
		select {
		case <-done:
		case <-time.After(time.Second):
		}
	}
}

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

	"github.com/zmem-go/zmem/c"
)

// What has a Release, an Allocator or a Buffer, and became garbage without it holds manual memory
// that nobody can free any more. It stays so: a collector that freed it would hide the bug, until the
// day that the slices outlive what they were cut from. But it is listed by Leaks.

// lost are the objects found so, by what they were and who made them.
var (
	lostMu sync.Mutex
	lost   = map[string]lostObjects{}
)

type lostObjects struct{ objects, bytes int64 }

// watchRelease has obj listed as unreachable once it is garbage, unless released is called before.
// Only what the caller is the maker of, which noun says ("Allocator"), can be watched, and only once.
// size, called then, is how many bytes it holds. The function that calls watchRelease is left out of
// the stack.
//
// (A finalizer rather than runtime.AddCleanup: Go 1.26 queues cleanups by P, and loses those of a P
// that GOMAXPROCS takes away.)
func watchRelease[T any](obj *T, noun string, size func(*T) int64) {
	var pcs [c.MaxStack]uintptr
	stack := slices.Clone(pcs[:runtime.Callers(skipToMaker+1, pcs[:])])
	runtime.SetFinalizer(obj, func(obj *T) { lose(noun, stack, size(obj)) })
}

// released ends what watchRelease began.
func released[T any](obj *T) { runtime.SetFinalizer(obj, nil) }

func lose(noun string, stack []uintptr, bytes int64) {
	var out strings.Builder
	calls := frames(stack)
	fmt.Fprintf(&out, "%s from func: %s\n", noun, calls[0])
	writeStack(&out, calls[1:])

	lostMu.Lock()
	defer lostMu.Unlock()
	n := lost[out.String()]
	lost[out.String()] = lostObjects{n.objects + 1, n.bytes + bytes}
}

// unreleased lists what became unreachable without Release, a line and a stack for each place that
// made some.
func unreleased() string {
	lostMu.Lock()
	defer lostMu.Unlock()
	var out strings.Builder
	for _, what := range slices.Sorted(maps.Keys(lost)) {
		n := lost[what]
		fmt.Fprintf(&out, "UNREACHABLE: %d bytes, never released: %d x %s", n.bytes, n.objects, what)
	}
	return out.String()
}

// waitForFinalizers makes a garbage collection and waits until the finalizers of what it found have
// run, a second at most. Twice, as finalizers are run in no order.
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

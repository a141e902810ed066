//go:build (!gc || zmem_nolinkname) && !leak

package z

import (
	"runtime"
	"sync"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// A few caches with a lock each, for compilers and Go versions that do not let us link to procPin.
// A goroutine starts looking for a free one at a place that its stack's address decides, so that it
// mostly comes back to the same. A lock and its release make this about twice as slow.
//
// (A sync.Pool, the obvious choice, drops items at garbage collections, and at random under the
// race detector, with no bound on the memory in what it dropped.)

// stripe is a cache and who may use it.
type stripe struct {
	*c.Cache // nil as long as nobody has used it
	mu       sync.Mutex
	_        [64 - 16]byte // a cache line each
}

// pinned is a cache that the goroutine owns until it unpins it.
type pinned = *stripe

var stripes = make([]stripe, min(64, 2*runtime.NumCPU()))

var watching sync.Once

// pin gives the goroutine a cache until it calls unpin; nil where there is no memory for one.
func pin() pinned {
	s := lockStripe()
	if s.Cache == nil {
		watching.Do(watchGC)
		if s.Cache, _ = c.NewCache(); s.Cache == nil { // every call goes to C, which says why
			s.mu.Unlock()
			return nil
		}
	}
	return s
}

func lockStripe() *stripe {
	var here byte // stacks are 2 KiB at least
	first := int(uintptr(unsafe.Pointer(&here)) >> 11 % uintptr(len(stripes)))
	for i := range stripes {
		if s := &stripes[(first+i)%len(stripes)]; s.mu.TryLock() {
			return s
		}
	}
	stripes[first].mu.Lock()
	return &stripes[first]
}

func unpin(s pinned) { s.mu.Unlock() }

// pinNew follows a pin that returned nil, which has tried all there is to try.
func pinNew() pinned { return nil }

// drain gives the blocks of the caches for which want says so to the depot.
func drain(want func(*c.Cache) bool) {
	for i := range stripes {
		s := &stripes[i]
		s.mu.Lock()
		if s.Cache != nil && want(s.Cache) {
			s.Drain()
		}
		s.mu.Unlock()
	}
}

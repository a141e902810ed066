//go:build !leak

package z

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// Which allocations are guarded; c/guard.c does the rest. A cache knows of how many allocations on the
// next is (GuardAt), beside those that are sampled.

// guardRate is one in how many allocations is guarded, 0 for none.
var guardRate atomic.Uint64

// everGuarded says that there may be guarded blocks.
var everGuarded atomic.Bool

func setGuardRate(n uint64) {
	guardRate.Store(n) // C then has the caches look at it
	everGuarded.Store(everGuarded.Load() || n > 0)
	if c.SetGuardRate(n) != c.OK {
		guardRate.Store(0)
	}
}

// guardDue reports whether the pinned cache k is to guard its next allocation. Where this one took it
// to its GuardAt it sets the next.
func guardDue(k pinned) bool {
	at := atomic.LoadUint64(&k.GuardAt) // as in sampleDue
	if k.AllocatedObjects < at {
		return false
	}
	rate := guardRate.Load()
	next := uint64(0)
	switch {
	case rate == 0:
		next = math.MaxUint64
	case rate > 1: // on average rate - 1 are passed over
		next = k.AllocatedObjects + rand.Uint64N(2*rate-1)
	}
	atomic.CompareAndSwapUint64(&k.GuardAt, at, next)
	return rate == 1 || rate > 0 && at > 0
}

// callocGuarded makes n zero bytes that are guarded, and sampled at a rate where that is not 0; nil
// where there is no room.
//
//go:noinline
func callocGuarded(n uintptr, rate uint64, tag []string) unsafe.Pointer {
	site := siteOf(1, tagOf(tag))
	describe(site)
	return c.GuardCalloc(n, rate, site)
}

// describe gives a site its stack in words, which a signal handler could not make. Once is enough.
func describe(s *c.Site) {
	if s != nil && !s.HasText() {
		var text strings.Builder
		writeStack(&text, frames(s.PCs()))
		s.SetText(text.String())
	}
}

// freeDirect frees a block that is in no cache's reach.
//
//go:noinline
func freeDirect(p unsafe.Pointer, n uintptr) {
	if isSampled(p) && everGuarded.Load() {
		site := siteOf(1, "")
		describe(site)
		if c.GuardFree(p, n, site) == c.OK {
			return
		}
		if report, ok := GuardReport(uintptr(p)); ok {
			panic("z: Free: not the start of a live block\n" + strings.TrimPrefix(report, "zmem: "))
		}
	}
	c.Free(p, n)
	noteFree()
}

//go:build gc && !zmem_nolinkname && !leak

package z

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe" // also for linkname

	"github.com/zmem-go/zmem/c"
)

// A cache for each P, found by the P's number. runtime.procPin keeps a goroutine on its P and from
// being preempted; the runtime lists it among the names that it keeps for existing users.

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// pinned is a cache that the goroutine owns until it unpins it.
type pinned = *c.Cache

// maxProcs is how many Ps can have a cache. Those beyond do without: every call of theirs goes to C.
const maxProcs = 1024

// caches are the *c.Cache in use, by P; nil for a P that has none. They are set under cachesMu, and
// read with atomic.LoadPointer: an atomic.Pointer would put pin just above what is inlined.
var caches [maxProcs]unsafe.Pointer

var (
	cachesMu sync.Mutex
	retired  []*c.Cache // taken from their P, which may be still in the middle of using them
	spare    []*c.Cache // empty, nobody's
	watching sync.Once
)

// pin gives the goroutine the cache of its P until it calls unpin, which it does without calling C
// and without anything that could block or panic in between. Where it is nil, pinNew is to follow.
func pin() pinned {
	pid := procPin()
	if pid >= maxProcs {
		return nil
	}
	return (pinned)(atomic.LoadPointer(&caches[pid]))
}

func unpin(pinned) { procUnpin() }

// pinNew follows a pin that returned nil: it gives the P a cache and pins the goroutine again. It is
// nil, and the goroutine not pinned, where there is no memory for a cache or no place.
//
//go:noinline
func pinNew() pinned {
	procUnpin()
	watching.Do(watchGC)
	for {
		pid := procPin()
		procUnpin() // the lock may block, and another P be ours after it
		if pid >= maxProcs || !addCache(pid) {
			return nil
		}
		if k := pin(); k != nil {
			return k
		}
		procUnpin()
	}
}

// addCache sees to it that a P has a cache.
func addCache(pid int) bool {
	cachesMu.Lock()
	defer cachesMu.Unlock()
	if atomic.LoadPointer(&caches[pid]) != nil {
		return true
	}
	var k *c.Cache
	if n := len(spare); n > 0 {
		k, spare = spare[n-1], spare[:n-1]
	} else if k, _ = c.NewCache(); k == nil {
		return false // every call goes to C, which says why
	}
	atomic.StorePointer(&caches[pid], unsafe.Pointer(k))
	return true
}

// retire takes their caches from the Ps for which want says so.
func retire(want func(*c.Cache) bool) {
	for i := range caches {
		if k := (pinned)(atomic.LoadPointer(&caches[i])); k != nil && want(k) {
			atomic.StorePointer(&caches[i], nil)
			retired = append(retired, k)
		}
	}
}

// drain gives the blocks of the caches for which want says so to the depot. Where there are such
// caches it stops the world, which stops only when no goroutine is pinned: nobody is in the middle of
// using them after that.
func drain(want func(*c.Cache) bool) {
	cachesMu.Lock()
	defer cachesMu.Unlock()
	retire(want)
	if len(retired) == 0 {
		return
	}
	var stopsTheWorld runtime.MemStats
	runtime.ReadMemStats(&stopsTheWorld)
	checkCaches()
	for _, k := range retired {
		k.Drain()
	}
	spare = append(spare, retired...)
	retired = retired[:0]
}

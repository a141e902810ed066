//go:build !leak

package z

import (
	"runtime"
	"sync"
	"time"

	"github.com/zmem-go/zmem/c"
)

// Memory parked in caches and in the depot is given back after garbage collections: the runtime
// makes one every two minutes in a program that does nothing, so that no timer is needed, and often
// in a program under load, where a cache in use never looks idle.

// sentinel is garbage whose finalizer runs after each collection. (Not runtime.AddCleanup: Go 1.26
// queues cleanups by P, and loses those of a P that GOMAXPROCS takes away.)
type sentinel struct{ _ *byte } // a pointer keeps it out of the tiny allocator's shared blocks

// watchGC has afterGC run after the next garbage collection, and every one after it.
func watchGC() { runtime.SetFinalizer(new(sentinel), (*sentinel).afterGC) }

// givingBack is held while blocks go back. Without it, ReturnMemory could find the depot empty and
// purge the backend while afterGC has yet to free what it took from there.
var givingBack sync.Mutex

func (s *sentinel) afterGC() {
	givingBack.Lock()
	defer givingBack.Unlock()
	drainIdle()
	c.DepotTrim(false)
	runtime.SetFinalizer(s, (*sentinel).afterGC)
}

// drainForLimit gives back what caches and the depot hold, as an allocation at the limit is about to
// fail. It stops the world: a program that lives at its limit is not to do so all the time. So it
// returns false, having done nothing, where the last time was just now.
func drainForLimit() bool {
	givingBack.Lock()
	defer givingBack.Unlock()
	if time.Since(lastDrainForLimit) < 10*time.Millisecond {
		return false
	}
	drainAll()
	c.DepotTrim(true)
	lastDrainForLimit = time.Now()
	return true
}

var lastDrainForLimit time.Time // givingBack guards it

// returnMemory gives all that is free back to the system.
func returnMemory() c.Err {
	givingBack.Lock()
	defer givingBack.Unlock()
	drainAll()
	return c.ReturnMemory()
}

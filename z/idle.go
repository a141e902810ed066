//go:build !leak

package z

import (
	"runtime"
	"sync"

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

// returnMemory gives all that is free back to the system.
func returnMemory() c.Err {
	givingBack.Lock()
	defer givingBack.Unlock()
	drainAll()
	return c.ReturnMemory()
}

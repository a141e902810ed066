//go:build !leak

package z

import (
	"runtime"

	"github.com/zmem-go/zmem/c"
)

// Memory parked in caches and in the depot is given back after garbage collections: the runtime
// makes one every two minutes in a program that does nothing, so that no timer is needed, and often
// in a program under load, where a cache in use never looks idle.

// watchGC has afterGC run after the next garbage collection, and every one after it.
func watchGC() {
	type sentinel struct{ _ *byte } // a pointer keeps it out of the tiny allocator's shared blocks
	runtime.AddCleanup(new(sentinel), func(struct{}) { afterGC() }, struct{}{})
}

func afterGC() {
	drainIdle()
	c.DepotTrim(false)
	watchGC()
}

// returnMemory gives all that is free back to the system.
func returnMemory() c.Err {
	drainAll()
	return c.ReturnMemory()
}

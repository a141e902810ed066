//go:build !leak

package z

import (
	"runtime"

	"github.com/zmem-go/zmem/c"
)

// sentinel is garbage whose finalizer runs after each collection. (Not runtime.AddCleanup: Go 1.26
// queues cleanups by P, and loses those of a P that GOMAXPROCS takes away.)
type sentinel struct{ _ *byte } // a pointer keeps it out of the tiny allocator's shared blocks

// watchGC has afterGC run after the next garbage collection, and every one after it.
func watchGC() { runtime.SetFinalizer(new(sentinel), (*sentinel).afterGC) }

// afterGC finds what a program has left in caches without ever freeing so much that a magazine was
// full: the runtime makes a collection every two minutes in a program that does nothing.
func (s *sentinel) afterGC() {
	noteFree()
	runtime.SetFinalizer(s, (*sentinel).afterGC)
}

// drainAll drains every cache.
func drainAll() { drain(func(*c.Cache) bool { return true }) }

// drainIdle drains the caches through which nothing was allocated or freed since the last call.
func drainIdle() { drain((*c.Cache).Idle) }

// returnMemory gives all that is free back to the system.
func returnMemory() c.Err {
	givingBack.Lock()
	defer givingBack.Unlock()
	drainAll()
	return c.ReturnMemory()
}

//go:build !leak

package z

// handle is how an Allocator is registered.
type handle = *Allocator

func handleOf(a *Allocator) handle { return a }

// find is AllocatorFrom.
func find(ref uint64) *Allocator {
	allocatorsMu.RLock()
	defer allocatorsMu.RUnlock()
	return allocators[ref].a
}

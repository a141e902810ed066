//go:build !leak

package z

// handle is how an Allocator is registered.
type handle struct{ a *Allocator }

func handleOf(a *Allocator) handle { return handle{a} }

func (h handle) get() *Allocator { return h.a }

// find is AllocatorFrom.
func find(ref uint64) *Allocator {
	allocatorsMu.RLock()
	defer allocatorsMu.RUnlock()
	return allocators[ref].a.get()
}

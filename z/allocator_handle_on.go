//go:build leak

package z

import "weak"

// handle is how an Allocator is registered: so that it is garbage where nobody else has it.
type handle struct{ p weak.Pointer[Allocator] }

func handleOf(a *Allocator) handle { return handle{weak.Make(a)} }

// get is nil where the Allocator is garbage.
func (h handle) get() *Allocator { return h.p.Value() }

// find is AllocatorFrom. Where the Allocator is garbage, it makes another of the same core.
func find(ref uint64) *Allocator {
	allocatorsMu.Lock()
	defer allocatorsMu.Unlock()
	r, ok := allocators[ref]
	if !ok {
		return nil
	}
	if a := r.a.get(); a != nil {
		return a
	}
	a := allocatorOf(r.core, r.tag)
	r.a = handleOf(a)
	allocators[ref] = r
	watchAgain(a, r.core)
	return a
}

//go:build leak

package z

import "weak"

// handle is how an Allocator is registered: so that it is garbage where nobody else has it.
type handle = weak.Pointer[Allocator]

func handleOf(a *Allocator) handle { return weak.Make(a) }

// find is AllocatorFrom. Where the Allocator is garbage, it makes another of the same core.
func find(ref uint64) *Allocator {
	allocatorsMu.Lock()
	defer allocatorsMu.Unlock()
	r, ok := allocators[ref]
	a := r.a.Value()
	if ok && a == nil {
		a = allocatorOf(r.core, r.tag)
		r.a = handleOf(a)
		allocators[ref] = r
		watchAgain(a, r.core)
	}
	return a
}

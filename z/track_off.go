//go:build !leak

package z

import "github.com/zmem-go/zmem/c"

// newAllocator makes the C side of an Allocator, or takes over one that a pool had; nil where there
// is no memory.
func newAllocator(pooled *c.Allocator, size uintptr, _ string) *c.Allocator {
	if pooled != nil {
		return pooled
	}
	return c.NewAllocator(size)
}

//go:build !leak

package z

import "github.com/zmem-go/zmem/c"

// newAllocator makes the C side of an Allocator, or takes over one that a pool had. It panics where
// there is no memory.
func newAllocator(pooled *c.Allocator, size int, _ string) *c.Allocator {
	if pooled != nil {
		return pooled
	}
	return mustAllocator(size, func() (*c.Allocator, c.Err) { return c.NewAllocator(uintptr(size)) })
}

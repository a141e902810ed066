// Package arena benchmarks allocators that free everything together: zmem's Allocator and Cursor,
// those of other packages, and, for what they replace, Go's heap.
package arena

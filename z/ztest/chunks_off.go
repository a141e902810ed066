//go:build !leak

package ztest

import "github.com/zmem-go/zmem/z"

// chunksOf is the memory of an Allocator; how many blocks it is, nobody knows without the leak tag.
func chunksOf(a *z.Allocator) memory { return memory{bytes: int64(a.Allocated())} }

//go:build !leak

package z

import (
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// allocBlock is n zero bytes, n > 0, at a multiple of align (0: the natural one), or nil.
func allocBlock(n, align uintptr, _ []string) unsafe.Pointer {
	if align != 0 {
		return c.CallocAligned(n, align)
	}
	return c.Calloc(n)
}

// freeBlock frees what allocBlock returned for n.
func freeBlock(p unsafe.Pointer, n uintptr) {
	c.Free(p, n)
}

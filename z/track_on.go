//go:build leak

package z

import (
	"runtime"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// How many frames runtime.Callers has to skip from within a function of this file to start at the
// caller of Calloc (Callers, alloc, Calloc), or of Free likewise.
const skipToCaller = 3

// alloc is what every Calloc function does: n zero bytes at a multiple of align (0: the natural one).
func alloc(call string, n, align int, tag []string) ([]byte, error) {
	if n <= 0 {
		return allocRest(call, n)
	}
	var pcs [c.MaxStack]uintptr
	depth := runtime.Callers(skipToCaller, pcs[:])
	name := ""
	if len(tag) > 0 {
		name = tag[0]
	}
	p := c.LeakCalloc(uintptr(n), uintptr(align), name, pcs[:depth])
	if p == nil {
		return allocRest(call, n)
	}
	return bytesAt(p, n), nil
}

// freeBlock frees a block of n bytes.
func freeBlock(p unsafe.Pointer, n uintptr) {
	var pcs [c.MaxStack]uintptr
	depth := runtime.Callers(skipToCaller, pcs[:])
	var fault c.LeakFault
	if c.LeakFree(p, n, pcs[:depth], &fault) != c.OK {
		panic(freeFault(uintptr(p), n, &fault))
	}
}

// returnMemory gives all that is free back to the system.
func returnMemory() c.Err { return c.ReturnMemory() }

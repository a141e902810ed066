//go:build leak

package z

import (
	"runtime"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// How many frames runtime.Callers has to skip from within a function of this file
// to start at the caller of Calloc (Callers, allocBlock, alloc, Calloc), or of Free likewise.
const (
	skipToCallocCaller = 4
	skipToFreeCaller   = 3
)

func allocBlock(n, align uintptr, tag []string) unsafe.Pointer {
	var pcs [c.MaxStack]uintptr
	depth := runtime.Callers(skipToCallocCaller, pcs[:])
	name := ""
	if len(tag) > 0 {
		name = tag[0]
	}
	return c.LeakCalloc(n, align, name, pcs[:depth])
}

func freeBlock(p unsafe.Pointer, n uintptr) {
	var pcs [c.MaxStack]uintptr
	depth := runtime.Callers(skipToFreeCaller, pcs[:])
	var fault c.LeakFault
	if c.LeakFree(p, n, pcs[:depth], &fault) != c.OK {
		panic(freeFault(uintptr(p), n, &fault))
	}
}

// returnMemory gives all that is free back to the system.
func returnMemory() c.Err { return c.ReturnMemory() }

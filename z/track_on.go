//go:build leak

package z

import (
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// How many callers siteOf has to skip from within track to start at that of Calloc (track,
// callocBlock, Calloc), and from within freeBlock, attribute and newAllocator likewise.
const (
	skipToCallocCaller = 3
	skipToFreeCaller   = 2
	skipToMaker        = 2
)

// alloc makes n zero bytes for TryCalloc.
func alloc(f call, n int, tag []string) ([]byte, error) { return track(f, n, 0, tag) }

// callocBlock makes n zero bytes for Calloc.
func callocBlock(n int, tag []string) unsafe.Pointer { return mustBlock(track(calloc, n, 0, tag)) }

// allocAligned makes n zero bytes at a multiple of align.
func allocAligned(n, align int, tag []string) ([]byte, error) {
	return track(callocAligned, n, align, tag)
}

// track allocates and remembers who asked.
func track(f call, n, align int, tag []string) ([]byte, error) {
	if n <= 0 {
		return allocNone(f, n)
	}
	site := siteOf(skipToCallocCaller, tagOf(tag))
	var p unsafe.Pointer
	if err := retry(n, func() (err c.Err) {
		p, err = c.LeakTryCalloc(uintptr(n), uintptr(align), site)
		return err
	}); err != c.OK {
		return nil, noMemory(n, err)
	}
	return bytesAt(p, n), nil
}

// attribute makes a new Buffer memory of the caller of the function that calls this.
func attribute(k *c.Buffer, tag []string) {
	k.Attribute(siteOf(skipToMaker, tagOf(tag)))
}

// freeBlock frees a block of n bytes.
func freeBlock(p unsafe.Pointer, n uintptr) {
	var fault c.LeakFault
	if c.LeakFree(p, n, siteOf(skipToFreeCaller, ""), &fault) != c.OK {
		panic(freeFault(uintptr(p), n, &fault))
	}
	noteFree()
}

// newAllocator makes the C side of an Allocator for NewAllocator and AllocatorPool.Get, which are to
// call it themselves, or takes over one that a pool had. It panics where there is no memory.
func newAllocator(pooled *c.Allocator, size int, tag string) *c.Allocator {
	site := siteOf(skipToMaker, tag)
	if pooled != nil {
		pooled.LeakOwn(site)
		return pooled
	}
	return mustAllocator(size, func() (*c.Allocator, c.Err) {
		return c.LeakNewAllocator(uintptr(size), site)
	})
}

// drainIdle has no caches to drain.
func drainIdle() {}

// drainAll has no caches to drain.
func drainAll() {}

// returnMemory gives all that is free back to the system.
func returnMemory() c.Err { return c.ReturnMemory() }

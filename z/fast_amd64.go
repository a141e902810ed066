//go:build gc && !zmem_nolinkname && !leak && !race && !asan && !msan

package z

import (
	"runtime"
	"runtime/debug"
	"slices"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// The path through a cache without a pin, for as long as the loaded magazine suffices. All else is
// left to cache.go.
//
// A pin is there so that the goroutine stays on its P, and no collection stops the world, while it
// uses the cache. The runtime brings about either only where it knows what the registers hold: in a
// function's prologue, and asynchronously where the compiler has left word of it. Of assembly it
// knows nothing (isAsyncSafePoint in its preempt.go). So a function in assembly that calls none is
// as good as pinned from its first instruction to its last.
//
// Which P that is stands in g.m.p, and its number, which the cache is found by, in its first field. No
// promise of the runtime's says so. Therefore findP looks for it when the program starts, and takes
// it only where what it found points back to the m and has the number that procPin returns. With a
// version of Go that has it elsewhere, all calls go the way of cache.go.

// callocFast is Calloc, without the slice around it. Only where it goes on needs the tag.
//
//go:noescape
func callocFast(n int, tag []string) unsafe.Pointer

// freeFast frees a block of n bytes.
//
//go:noescape
func freeFast(p unsafe.Pointer, n uintptr)

// callocSlow and freeSlow are where they go on.
//
//lint:ignore U1000 by fast_amd64.s
func callocSlow(n int, tag []string) unsafe.Pointer { return mustBlock(alloc(calloc, n, tag)) }

//lint:ignore U1000 by fast_amd64.s
func freeSlow(p unsafe.Pointer, n uintptr) { freeCached(p, n) }

// callocBlock makes n zero bytes for Calloc.
func callocBlock(n int, tag []string) unsafe.Pointer { return callocFast(n, tag) }

// freeBlock frees a block of n bytes.
func freeBlock(p unsafe.Pointer, n uintptr) { freeFast(p, n) }

// What fast_amd64.s is to know, in bytes.
const (
	offsetofShelves          = unsafe.Offsetof(c.Cache{}.Shelves)
	offsetofAllocatedBytes   = unsafe.Offsetof(c.Cache{}.AllocatedBytes)
	offsetofAllocatedObjects = unsafe.Offsetof(c.Cache{}.AllocatedObjects)
	offsetofSampleAt         = unsafe.Offsetof(c.Cache{}.SampleAt)
	offsetofGuardAt          = unsafe.Offsetof(c.Cache{}.GuardAt)
	offsetofFreedBytes       = unsafe.Offsetof(c.Cache{}.FreedBytes)
	offsetofFreedObjects     = unsafe.Offsetof(c.Cache{}.FreedObjects)
	offsetofLoaded           = unsafe.Offsetof(c.Shelf{}.Loaded)
	offsetofLen              = unsafe.Offsetof(c.Shelf{}.Len)
	offsetofCap              = unsafe.Offsetof(c.Shelf{}.Cap)
	sizeofMagazine           = unsafe.Sizeof(c.Magazine{})
	log2SizeofShelf          = 5
	smallMax                 = c.SmallMax

	_ = -(unsafe.Sizeof(c.Shelf{}) ^ 1<<log2SizeofShelf) // does not compile where they differ
)

// offsetofM is where a g has its m, in bytes: behind the six words that prologues and the unwinding
// of stacks rely on.
const offsetofM = 48

// offsetofP is where an m has its p, in bytes, and fastProcs how many Ps have a fast path.
//
//lint:ignore U1000 by fast_amd64.s
var offsetofP, fastProcs = findP(offsetofM)

// hasAVX is whether callocFast may clear blocks of more than 128 bytes by AVX. All processors of the
// last ten years have it, but not every virtual one.
//
//lint:ignore U1000 by fast_amd64.s
var hasAVX = c.HasAVX()

// cacheOfP returns the cache that callocFast and freeFast use on this P, or nil.
func cacheOfP() *c.Cache

// getg returns the runtime's g of the caller.
func getg() unsafe.Pointer

// findP returns the offset of p in an m, and maxProcs; 0 and 0 where it cannot find it.
func findP(offsetofM uintptr) (offset uintptr, procs uint32) {
	// Reading where nothing is would be a layout that is altogether different.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			offset, procs = 0, 0
		}
	}()
	runtime.LockOSThread() // the m stays the same
	defer runtime.UnlockOSThread()

	g := getg()
	m := *(*unsafe.Pointer)(unsafe.Add(g, offsetofM))
	words := (*[64]uintptr)(m)
	curg := slices.Index(words[:], uintptr(g)) // p stands little behind it
	if curg < 0 {
		return 0, 0
	}
	for range 100 { // a preemption after procPin spoils a try
		pid := procPin()
		procUnpin()
		for i := curg + 1; i < min(curg+6, len(words)); i++ {
			at := uintptr(i) * unsafe.Sizeof(words[0])
			if words[i] > 4096 && isP(*(*unsafe.Pointer)(unsafe.Add(m, at)), m, pid) {
				return at, maxProcs
			}
		}
	}
	return 0, 0
}

// isP reports whether p looks like the P with number pid, running on m.
func isP(p, m unsafe.Pointer, pid int) bool {
	return *(*int32)(p) == int32(pid) && slices.Contains((*[16]uintptr)(p)[:], uintptr(m))
}

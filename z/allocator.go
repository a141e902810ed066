package z

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// Allocator makes many small allocations for some nanoseconds each, which are freed together: by
// Release, or by Reset for another round. It takes memory in chunks that double in size, and never
// moves what it handed out.
//
// Any number of goroutines may allocate from one Allocator at once; Reset, TrimTo and Release need
// it to themselves, without an allocation under way, or a use of what they free. An Allocator must
// not be copied. A nil *Allocator allocates from the Go heap, where the collector frees what is no
// longer in use, and its Reset, TrimTo and Release do nothing. Any use of one after its Release, or of
// one that NewAllocator did not make, panics with the call's name, as in "z: Allocator.Reset: use after
// Release, or before NewAllocator"; except for String, and Release.
//
// Chunks count in NumAllocBytes. Under the leak tag, Leaks names who made an Allocator that was not
// released, and says whether anybody still has it.
type Allocator struct {
	Ref uint64 // of this Allocator alone, in this process; see AllocatorFrom
	Tag string // names what it is for; Allocators and Leaks have it as it was given

	windows windows
	core    unsafe.Pointer // *c.Allocator; nil after Release
	mu      sync.Mutex     // guards cursors, and windows where one is added
	cursors *Cursor        // those open, in a list
}

const maxAlloc = c.MaxAlloc

var (
	allocatorsMu sync.RWMutex
	allocators   = map[uint64]registered{} // by Ref
)

// registered is an Allocator that was not released: before its core is freed it is taken out of the
// map, so that the core may be used while allocatorsMu is held.
type registered struct {
	core *c.Allocator
	tag  string
	a    handle
}

// NewAllocator makes an Allocator whose first chunk has sz bytes, rounded up to a power of two, at
// least 512. Each further chunk is twice as large as the last, up to 1 GiB. The caller is to call
// Release. A tag names what it is for; only the first is used.
//
// It panics where sz is negative and, with an error that is ErrOutOfMemory, where there is no
// memory.
func NewAllocator(sz int, tag ...string) *Allocator {
	name := tagOf(tag)
	checkSize("NewAllocator", sz, math.MaxInt)
	return register(newAllocator(nil, sz, name), name)
}

// mustAllocator makes the C side of an Allocator of size bytes by f, or panics.
func mustAllocator(size int, f func() (*c.Allocator, c.Err)) (core *c.Allocator) {
	if err := retry(size, func() (err c.Err) {
		core, err = f()
		return err
	}); err != c.OK {
		panic(noMemory(size, err))
	}
	return core
}

// checkSize panics where no call can be asked for n bytes, at most max.
func checkSize(call string, n, max int) {
	if n < 0 {
		panic(fmt.Sprintf("z: %s: negative size %d", call, n))
	}
	if n > max {
		panic(fmt.Sprintf("z: %s: size %d is more than %d", call, n, max))
	}
}

func checkAlign(f call, align int) {
	if align <= 0 || align > c.MaxAlign || align&(align-1) != 0 {
		panic(fmt.Sprintf("z: %s: alignment %d is not a power of two up to %d", f, align, c.MaxAlign))
	}
}

// register makes the Allocator of a core that is new, or was a pool's.
func register(core *c.Allocator, tag string) *Allocator {
	a := allocatorOf(core, tag)
	watchRelease(a, core, "Allocator (except by its Ref)", (*c.Allocator).Allocated)
	a.sampleGrown(core) // its first chunk, before there is another
	allocatorsMu.Lock()
	defer allocatorsMu.Unlock()
	allocators[a.Ref] = registered{core, tag, handleOf(a)}
	return a
}

func allocatorOf(core *c.Allocator, tag string) *Allocator {
	return &Allocator{Ref: core.Ref(), Tag: tag, core: unsafe.Pointer(core)}
}

// AllocatorFrom is the Allocator with that Ref, or nil where it was released: objects can carry the
// number, also in manual memory, and another part of the program find their Allocator by it.
//
// Under the leak tag, one that nobody has kept a pointer to is found as a new *Allocator of the same
// memory. What the old one, and Cursors that were not closed, had taken for goroutines to allocate
// from counts as used in its Size until Reset.
func AllocatorFrom(ref uint64) *Allocator { return find(ref) }

// Allocators lists the Allocators that are not released, a line a tag, in the order of tags: how
// many there are, and the bytes of their chunks.
func Allocators() string {
	type sum struct{ count, bytes uint64 }
	sums := map[string]sum{}
	allocatorsMu.RLock()
	for _, r := range allocators {
		s := sums[r.tag]
		sums[r.tag] = sum{s.count + 1, s.bytes + r.core.Allocated()}
	}
	allocatorsMu.RUnlock()
	lines := make([]string, 0, len(sums))
	for tag, s := range sums {
		lines = append(lines, fmt.Sprintf("Tag: %s Num: %d Size: %d\n", tag, s.count, s.bytes))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// Allocate returns n zero bytes, aligned to 8, with length and capacity n. They are valid until
// Reset, Release, or a TrimTo that frees their chunk, and are never passed to Free. Allocate(0) is
// empty, not nil. n is rounded up to a multiple of 8.
//
// Allocate panics where n is negative or above MaxAlloc and, with an error that is ErrOutOfMemory,
// where there is no memory; what was allocated stays, and the Allocator can be used on.
func (a *Allocator) Allocate(n int) []byte { return a.allocate(allocatorAllocate, n) }

//go:nosplit
//go:noinline
func (a *Allocator) allocate(f call, n int) []byte {
	block := stackBlock()
	if a != nil && uint(n-1) < c.WindowMaxAlloc {
		if p, ok := a.windows.take(uintptr(n), block); ok {
			return bytesWithin(p, n)
		}
	}
	return bytesAt(a.allocateRest(f, n, 8, block), n)
}

// AllocateAligned is Allocate, which aligns to 8 bytes and clears as well. The name is kept for
// programs written for packages in which the two differ.
func (a *Allocator) AllocateAligned(n int) []byte { return a.allocate(allocatorAllocateAligned, n) }

// AllocateAlign is Allocate with the first byte at a multiple of align bytes, a power of two up to
// 2^30: 64 for a cache line, 4096 for a page. It panics where align is anything else.
//
//go:nosplit
//go:noinline
func (a *Allocator) AllocateAlign(n, align int) []byte {
	block := stackBlock()
	if a != nil && uint(n-1) < c.WindowMaxAlloc && uint(align-1) < c.MaxAlign && align&(align-1) == 0 {
		if p, ok := a.windows.takeAligned(uintptr(n), uintptr(max(align, 8)), block); ok {
			return bytesWithin(p, n)
		}
	}
	return bytesAt(a.allocateRest(allocatorAllocateAlign, n, align, block), n)
}

// Copy is Allocate(len(b)) with b copied in.
func (a *Allocator) Copy(b []byte) []byte {
	out := a.allocate(allocatorCopy, len(b))
	copy(out, b)
	return out
}

// MaxAlloc is the largest number of bytes that one allocation may ask for: 1 GiB.
func (a *Allocator) MaxAlloc() int { return maxAlloc }

//go:nosplit
func roundUp8(n uintptr) uintptr { return (n + 7) &^ 7 }

// none is where allocations of no bytes start.
var none uint64

// allocateRest allocates what the window of a block of stack cannot, or not any more.
//
//go:noinline
func (a *Allocator) allocateRest(f call, n, align int, block uintptr) unsafe.Pointer {
	checkAlign(f, align)
	align = max(align, 8)
	if a == nil {
		return heapAllocate(f, n, align)
	}
	core := a.mustCore(f.String())
	checkSize(f.String(), n, maxAlloc)
	if n == 0 {
		return unsafe.Pointer(&none)
	}
	var p unsafe.Pointer
	if small := n + align - 8; small <= c.WindowMaxAlloc {
		shared, ok := a.windows.takeShared(uintptr(small), block)
		if ok {
			return unsafe.Add(shared, padding(shared, uintptr(align)))
		}
		p = a.refill(core, small, block)
		p = unsafe.Add(p, padding(p, uintptr(align)))
	} else if err := retry(n, func() (err c.Err) {
		p, err = core.TryAllocate(uintptr(n), uintptr(align))
		return err
	}); err != c.OK {
		panic(noMemory(n, err))
	}
	a.sampleGrown(core)
	return p
}

// sampleGrown has the profile see the chunk that an allocation may just have added.
func (a *Allocator) sampleGrown(core *c.Allocator) {
	if chunk, size := core.Grown(); size > 0 {
		sampleAdded(chunk, size, a.Tag)
	}
}

// refill allocates n bytes from a new window, which the block of stack owns from now on if it can.
func (a *Allocator) refill(core *c.Allocator, n int, block uintptr) (p unsafe.Pointer) {
	if err := retry(n, func() (err c.Err) {
		a.mu.Lock()
		defer a.mu.Unlock()
		p, err = a.windows.refill(core, uintptr(n), block)
		a.windows.check(core)
		return err
	}); err != c.OK {
		panic(noMemory(n, err))
	}
	return p
}

// heapAllocate is what a nil Allocator does: n bytes of the Go heap, aligned.
func heapAllocate(f call, n, align int) unsafe.Pointer {
	checkSize(f.String(), n, maxAlloc)
	if n == 0 {
		return unsafe.Pointer(&none)
	}
	p := unsafe.Pointer(unsafe.SliceData(make([]uint64, (n+align-1)/8)))
	return unsafe.Add(p, padding(p, uintptr(align)))
}

// mustCore is the C side of an Allocator that was not released, for a call.
func (a *Allocator) mustCore(call string) *c.Allocator {
	core := (*c.Allocator)(atomic.LoadPointer(&a.core))
	if core == nil {
		panic("z: " + call + ": use after Release, or before NewAllocator")
	}
	return core
}

// Size is the number of bytes used: allocations, each rounded up to a multiple of 8, what was too
// little for the next one at the end of chunks and of the pieces that goroutines take of them, and
// what Cursors hold. It is exact whenever no allocation is under way, and 0 for a nil Allocator.
func (a *Allocator) Size() int {
	if a == nil {
		return 0
	}
	size, left := a.mustCore("Allocator.Size").Size(), a.windows.left()
	return int(size - min(left, size)) // while others allocate, the one may be older than the other
}

// Allocated is the number of bytes of all chunks; 0 for a nil Allocator.
func (a *Allocator) Allocated() uint64 {
	if a == nil {
		return 0
	}
	return a.mustCore("Allocator.Allocated").Allocated()
}

// Reset ends the life of all that was allocated and keeps the chunks for what comes. Nothing is
// cleared now: what had been handed out is cleared when it is handed out again. Cursors stay open.
func (a *Allocator) Reset() {
	if a != nil {
		a.mustCore("Allocator.Reset").Reset()
		a.endWindows(0)
	}
}

// TrimTo frees chunks, from the last one on, until they have at most max bytes, which may be none
// of them; what was allocated from those freed is gone. The Allocator grows again when it needs to.
func (a *Allocator) TrimTo(max int) {
	checkSize("Allocator.TrimTo", max, math.MaxInt)
	if a != nil {
		a.mustCore("Allocator.TrimTo").Trim(uintptr(max))
		noteFree()
		a.endWindows(0)
	}
}

// Release frees all chunks, and with them all that was allocated, and ends all Cursors. A second
// Release does nothing.
func (a *Allocator) Release() {
	if core := a.close(); core != nil {
		core.Release()
		noteFree()
	}
}

// close ends the use of a and returns what is to be freed; nil where there is nothing.
func (a *Allocator) close() *c.Allocator {
	if a == nil {
		return nil
	}
	core := (*c.Allocator)(atomic.SwapPointer(&a.core, nil))
	if core == nil {
		return nil
	}
	a.endWindows(-1)
	allocatorsMu.Lock()
	current := allocators[a.Ref].a.get()
	// Where a finalizer has called, AllocatorFrom may have found a as garbage. It is another's then.
	if current != nil && current != a {
		allocatorsMu.Unlock()
		return nil
	}
	delete(allocators, a.Ref)
	allocatorsMu.Unlock()
	released(core)
	return core
}

// endWindows takes all windows away, and those of cursors; left is what these have then.
func (a *Allocator) endWindows(left int) {
	a.windows.end()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checkCursors()
	for k := a.cursors; k != nil; k = k.next {
		k.base, k.left = unsafe.Pointer(&none), left
	}
}

// String says how large the Allocator is.
func (a *Allocator) String() string {
	switch {
	case a == nil:
		return "Allocator: the Go heap"
	case atomic.LoadPointer(&a.core) == nil:
		return fmt.Sprintf("Allocator %d %q: released", a.Ref, a.Tag)
	}
	return fmt.Sprintf("Allocator %d %q: %d of %d bytes used", a.Ref, a.Tag, a.Size(), a.Allocated())
}

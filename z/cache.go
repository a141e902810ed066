//go:build !leak

package z

import (
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// Calloc and Free take a block from, or put it back to, the cache of this P (see pin_linkname.go),
// which costs a few instructions and no lock; on amd64, fast_amd64.go takes the common case first.
// Only when both magazines of a size class are spent, or full, one is exchanged at the
// depot in C, whole.
//
// A pinned goroutine must not call C: coming back, the P may be another thread's. So it takes the
// magazine out of its cache, unpins, and exchanges it; pinned again, perhaps elsewhere, it finds
// other magazines on the shelf than it left, and what has no place there goes to the depot.

// classOf8 and classOf128 give the size class of n at (n+7)/8 for n up to 1024 and at (n+127)/128
// beyond.
var (
	classOf8   [1024/8 + 1]uint8
	classOf128 [c.SmallMax/128 + 1]uint8
)

func init() {
	class := 0
	classFor := func(n int) uint8 {
		for c.ClassSize(class) < uintptr(n) {
			class++
		}
		return uint8(class)
	}
	for i := range classOf8 {
		classOf8[i] = classFor(8 * i)
	}
	for i := 1024 / 128; i < len(classOf128); i++ {
		classOf128[i] = classFor(128 * i)
	}
}

// classOf is the size class for n, which is at most c.SmallMax.
func classOf(n uintptr) uint {
	if n <= 1024 {
		return uint(classOf8[(n+7)/8])
	}
	return uint(classOf128[(n+127)/128])
}

// alloc makes n zero bytes for every Calloc function but CallocAligned.
func alloc(f call, n int, tag []string) ([]byte, error) {
	size := uintptr(n)
	if size-1 >= c.SmallMax {
		return allocDirect(f, n, tag)
	}
	class := classOf(size)
	k := pin()
	if k == nil {
		if k = pinNew(); k == nil {
			return allocDirect(f, n, tag)
		}
	}
	if isDue(k, size) {
		return allocSampled(f, k, class, n, tag)
	}
	return allocCached(f, k, class, n, tag)
}

// allocCached takes n zero bytes from the pinned cache k.
func allocCached(f call, k pinned, class uint, n int, tag []string) ([]byte, error) {
	s := &k.Shelves[class]
	p := s.Pop()
	if p == nil {
		s.Swap()
		if p = s.Pop(); p == nil {
			return allocExchange(f, k, class, n, tag)
		}
	}
	countAlloc(k, uintptr(n))
	unpin(k)
	return cleared(p, n), nil
}

// freeCached frees a block of n bytes.
func freeCached(p unsafe.Pointer, n uintptr) {
	if n > c.SmallMax || isSampled(p) {
		freeDirect(p, n)
		return
	}
	class := classOf(n)
	c.Poison(p, n)
	k := pin()
	if k == nil {
		if k = pinNew(); k == nil {
			c.Free(p, n)
			return
		}
	}
	s := &k.Shelves[class]
	if !s.Push(p) {
		s.Swap()
		if !s.Push(p) {
			freeExchange(k, class, p, n)
			return
		}
	}
	countFree(k, n)
	unpin(k)
}

// allocDirect is alloc without a cache.
func allocDirect(f call, n int, tag []string) ([]byte, error) { return allocAt(f, n, 0, tag) }

// allocAligned makes n zero bytes at a multiple of align.
func allocAligned(n, align int, tag []string) ([]byte, error) {
	return allocAt(callocAligned, n, align, tag)
}

// allocAt makes n zero bytes, at a multiple of align if that is not 0, by one call into C.
func allocAt(f call, n, align int, tag []string) ([]byte, error) {
	if n <= 0 {
		return allocNone(f, n)
	}
	if p := callocSampled(uintptr(n), uintptr(align), sampleChance(uintptr(n)), tag); p != nil {
		return bytesAt(p, n), nil
	}
	var p unsafe.Pointer
	if err := retry(n, func() (err c.Err) {
		p, err = c.TryCalloc(uintptr(n), uintptr(align))
		return err
	}); err != c.OK {
		return nil, noMemory(n, err)
	}
	return bytesAt(p, n), nil
}

// cleared makes n zero bytes of a block that was in a cache.
func cleared(p unsafe.Pointer, n int) []byte {
	c.Unpoison(p, uintptr(n))
	zero(p, uintptr(n))
	return bytesAt(p, n)
}

// zero clears n bytes, at least one.
func zero(p unsafe.Pointer, n uintptr) {
	if 16 <= n && n <= 32 { // a tenth faster than the call that clear is
		*(*[16]byte)(p) = [16]byte{}
		*(*[16]byte)(unsafe.Add(p, n-16)) = [16]byte{}
	} else {
		clear(unsafe.Slice((*byte)(p), n))
	}
}

func countAlloc(k pinned, n uintptr) {
	k.AllocatedBytes += uint64(n)
	k.AllocatedObjects++
}

func countFree(k pinned, n uintptr) {
	k.FreedBytes += uint64(n)
	k.FreedObjects++
}

// allocExchange is alloc where both magazines of the pinned cache k are spent.
//
//go:noinline
func allocExchange(f call, k pinned, class uint, n int, tag []string) ([]byte, error) {
	checkShelf(k, class)
	spent := k.Shelves[class].Exchange(c.NoMagazine)
	unpin(k)

	m := c.DepotFull(class, spent)
	if m == nil {
		return allocDirect(f, n, tag) // which needs no more than the block, and says why not
	}
	if k = repin(); k == nil {
		c.DepotPut(class, m)
		return allocDirect(f, n, tag)
	}
	s := &k.Shelves[class]
	if s.Len == 0 {
		m = s.Exchange(m)
	} else if s.Previous.Len == 0 {
		m = s.ExchangePrevious(m)
	}
	p := s.Pop() // there is one: in m, or in what was loaded meanwhile
	countAlloc(k, uintptr(n))
	checkShelf(k, class)
	unpin(k)
	putAway(class, m)
	return cleared(p, n), nil
}

// freeExchange is freeCached where both magazines of the pinned cache k are full.
//
//go:noinline
func freeExchange(k pinned, class uint, p unsafe.Pointer, n uintptr) {
	checkShelf(k, class)
	full := k.Shelves[class].Exchange(c.NoMagazine)
	unpin(k)

	m := c.DepotEmpty(class, full)
	noteFree()
	if m == nil {
		c.Free(p, n)
		return
	}
	if k = repin(); k == nil {
		c.DepotPut(class, m)
		c.Free(p, n)
		return
	}
	s := &k.Shelves[class]
	if s.Len == s.Cap {
		m = s.Exchange(m)
	} else if s.Previous.Len == s.Previous.Cap {
		m = s.ExchangePrevious(m)
	}
	s.Push(p) // there is room: in m, or in what was loaded meanwhile
	countFree(k, n)
	checkShelf(k, class)
	unpin(k)
	putAway(class, m)
}

// repin is pin, with a new cache where there is none.
func repin() pinned {
	if k := pin(); k != nil {
		return k
	}
	return pinNew()
}

// putAway gives the depot a magazine for which there was no place on the shelf.
func putAway(class uint, m *c.Magazine) {
	if m != c.NoMagazine {
		c.DepotPut(class, m)
	}
}

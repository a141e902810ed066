package z

import (
	"fmt"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// MaxArrayLen is the largest number of bytes that one allocation may ask for: 2^47 on 64-bit
// systems, 2^31-1 on others.
const MaxArrayLen = c.MaxSize

// Calloc allocates n bytes of manual memory, all zero, aligned to 16 bytes (to 8 where n <= 8).
//
// The slice has length and capacity n and is valid until it is passed to Free, which is the
// caller's to do. Calloc(0) is an empty slice, not nil, that Free accepts. A tag names what the
// memory is for in profiles and in the reports of leaks and guards; only the first is used.
//
// Calloc panics with an error that is ErrOutOfMemory where the system has no n bytes or n is above
// MaxArrayLen, with one that is ErrLimit as well where SetLimit forbids it, and with a message
// where n is negative. TryCalloc returns the former two.
func Calloc(n int, tag ...string) []byte {
	return bytesAt(callocBlock(n, tag), n)
}

// TryCalloc is Calloc, except that where there is no memory it returns nil and an error that is
// ErrOutOfMemory, and ErrLimit where that is why. A negative n panics here too, and so does a
// ZMEM_BACKEND that does not exist.
func TryCalloc(n int, tag ...string) ([]byte, error) {
	return alloc(tryCalloc, n, tag)
}

// CallocNoRef is Calloc. The name is kept for programs written for packages in which the two
// differ.
func CallocNoRef(n int, tag ...string) []byte {
	return bytesAt(callocBlock(n, tag), n)
}

// CallocAligned is Calloc with the first byte at a multiple of align bytes, a power of two up to
// 2^30: 64 for a cache line, 4096 for a page. It panics where align is anything else. It is one call
// into C, and on libc writes to all of the memory at once. A block much smaller than its alignment
// takes as much memory as the alignment, and up to 1,024 of a size may wait in each P's cache when
// they are freed.
func CallocAligned(n, align int, tag ...string) []byte {
	if align <= 0 || align > c.MaxAlign || align&(align-1) != 0 {
		panic(fmt.Sprintf("z: CallocAligned: alignment %d is not a power of two up to %d",
			align, c.MaxAlign))
	}
	return bytesAt(mustBlock(allocAligned(n, align, tag)), n)
}

// call is a function that allocates, for messages; a byte costs the fast path less than a string.
type call uint8

const (
	calloc call = iota
	tryCalloc
	callocAligned
	allocatorAllocate
	allocatorAllocateAligned
	allocatorAllocateAlign
	allocatorCopy
	cursorAllocate
	cursorAllocateAligned
	cursorAllocateAlign
	cursorCopy
	newValue
	newUnchecked
	newIn
	makeSlice
	makeSliceIn
	cloneString
)

var callNames = [...]string{"Calloc", "TryCalloc", "CallocAligned", "Allocator.Allocate",
	"Allocator.AllocateAligned", "Allocator.AllocateAlign", "Allocator.Copy", "Cursor.Allocate",
	"Cursor.AllocateAligned", "Cursor.AllocateAlign", "Cursor.Copy", "New", "NewUnchecked", "NewIn",
	"MakeSlice", "MakeSliceIn", "CloneString"}

func (f call) String() string { return callNames[f] }

// tagOf is the tag that counts.
func tagOf(tag []string) string {
	if len(tag) == 0 {
		return ""
	}
	return tag[0]
}

// mustBlock is the first byte of b, and panics with err where there is one.
func mustBlock(b []byte, err error) unsafe.Pointer {
	if err != nil {
		panic(err)
	}
	return startOf(b)
}

// allocNone is what to do with sizes that need no block.
func allocNone(f call, n int) ([]byte, error) {
	if n < 0 {
		panic(fmt.Sprintf("z: %s: negative size %d", f, n))
	}
	return []byte{}, nil
}

// Free gives back a slice that a Calloc function of this package returned. nil and empty slices
// from Calloc(0) are accepted and nothing happens.
//
// Free goes by the slice's first byte and its capacity, so it may have been cut at the end
// (b[:10]), but not at the front (b[10:]). Cut in its capacity (b[:10:10]), it is freed, but counted
// wrongly and poorly reused. After it, neither b nor any other slice or pointer into the same memory
// may be used.
//
// Under the leak tag, a slice that is not live manual memory, starts elsewhere than its block, has
// another capacity or was freed before makes Free panic with the stack that allocated the block
// and, where it was freed already, the one that freed it; nothing is freed then. Without the tag,
// freeing twice, from the middle of a block or what is not manual memory corrupts the allocator's
// state, as it does in C.
func Free(b []byte) {
	if cap(b) > 0 {
		freeBlock(startOf(b), uintptr(cap(b)))
	}
}

// GoodSize is the number of bytes, at least, that an allocation of n bytes reserves: asking for all of
// them costs no more memory. It is never less than n, and n itself for n <= 0 and beyond
// MaxArrayLen.
func GoodSize(n int) int {
	if n <= 0 {
		return n
	}
	return int(c.GoodSize(uintptr(n)))
}

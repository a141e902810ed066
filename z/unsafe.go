package z

import (
	"encoding/binary"
	"unsafe"
)

// All conversions between addresses and what they mean stand here.

// bytesAt is the n bytes at p as a slice without spare capacity, so that an append to it copies
// rather than runs into the neighbour.
func bytesAt(p unsafe.Pointer, n int) []byte {
	return unsafe.Slice((*byte)(p), n)
}

// startOf is the address of b's first byte, and of its backing array's where b has length 0.
func startOf(b []byte) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(b))
}

// at is the address i bytes behind p, in the same memory.
func at(p unsafe.Pointer, i uintptr) unsafe.Pointer { return unsafe.Add(p, i) }

// le64 is the little-endian number at p, and putLE64 writes one.
func le64(p unsafe.Pointer) uint64       { return binary.LittleEndian.Uint64((*[8]byte)(p)[:]) }
func putLE64(p unsafe.Pointer, v uint64) { binary.LittleEndian.PutUint64((*[8]byte)(p)[:], v) }

// frame is the bytes in front of a record, its length, little-endian. recordAt and recordLen trust it:
// somebody looked at it before.
const frame = 8

// recordAt is the record whose frame is off bytes behind base, without spare capacity. An empty one
// points to the last byte of its frame, as behind that may be the end of the memory, and then
// whatever the collector finds there.
func recordAt(base unsafe.Pointer, off int) []byte {
	if recordLen(base, off) == 0 {
		return unsafe.Slice((*byte)(unsafe.Add(base, off)), 0)
	}
	return recordWithin(base, off)
}

// recordWithin is recordAt where a byte of the same memory stands behind the record, for half the
// instructions.
func recordWithin(base unsafe.Pointer, off int) []byte {
	return bytesWithin(unsafe.Add(base, off+frame), recordLen(base, off))
}

// bytesWithin is bytesAt with fewer checks, for n that are known to be sizes of memory.
func bytesWithin(p unsafe.Pointer, n int) []byte { return (*[MaxArrayLen]byte)(p)[:n:n] }

// recordLen is the length of that record, in bytes, without its frame.
func recordLen(base unsafe.Pointer, off int) int { return int(le64(at(base, uintptr(off)))) }

// copyRecord copies a framed record of size bytes from src to dst, which may overlap.
func copyRecord(dst, src unsafe.Pointer, size int) {
	if size == 16 { // half of the time of the call that copy is
		*(*[16]byte)(dst) = *(*[16]byte)(src)
		return
	}
	copy(unsafe.Slice((*byte)(dst), size), unsafe.Slice((*byte)(src), size))
}

// numbersAt is memory as n numbers; b is aligned to 4 or 8 bytes and large enough.
func numbersAt[T uint32 | uint64](b []byte, n int) []T {
	return unsafe.Slice((*T)(startOf(b)), n)
}

// offsetAt is the i-th of the offsets at p.
func offsetAt(p unsafe.Pointer, i int) *uint32 { return (*uint32)(unsafe.Add(p, i*4)) }

// addressOf is the address in p as a number.
func addressOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// sliceAt is the n values of type T at p, with room for max.
func sliceAt[T any](p unsafe.Pointer, n, max int) []T {
	return unsafe.Slice((*T)(p), max)[:n]
}

// stringAt is the n bytes at p, which nobody changes any more, as a string.
func stringAt(p unsafe.Pointer, n int) string {
	return unsafe.String((*byte)(p), n)
}

// padding is how many bytes p is short of a multiple of align, a power of two.
//
//go:nosplit
func padding(p unsafe.Pointer, align uintptr) uintptr {
	return -uintptr(p) & (align - 1)
}

// pointerIn is the pointer that is stored as the number *addr.
func pointerIn[T any](addr *uintptr) *T {
	return *(**T)(unsafe.Pointer(addr))
}

// typeWord is the first word of an interface: a number that each type has of its own.
func typeWord(i any) uintptr {
	return *(*uintptr)(unsafe.Pointer(&i))
}

// stackBlock is the number of the 2 KiB of stack that the caller's frame stands in, never 0. A
// goroutine has them to itself, as stacks have a power of two of bytes, no fewer than that, and are
// aligned to it (runtime/stack.go). With checks of pointers, what they are made of would be put on the
// heap.
//
//go:nosplit
//go:nocheckptr
func stackBlock() uintptr {
	var here byte
	return uintptr(unsafe.Pointer(&here)) >> 11
}

// Allocate is Allocator.Allocate, except that it neither rounds n up nor aligns: AllocateAligned is
// for structs. (It stands here, and reads as it does, to be just within what the compiler inlines.)
func (k *Cursor) Allocate(n int) []byte {
	if k.left -= n; k.left|n < 0 {
		return k.undo(n)
	}
	return unsafe.Slice((*byte)(unsafe.Add(k.base, k.left)), n)
}

package z

import "unsafe"

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

// sliceAt is the n values of type T at p, with room for max.
func sliceAt[T any](p unsafe.Pointer, n, max int) []T {
	return unsafe.Slice((*T)(p), max)[:n]
}

// stringAt is the n bytes at p, which nobody changes any more, as a string.
func stringAt(p unsafe.Pointer, n int) string {
	return unsafe.String((*byte)(p), n)
}

// padding is how many bytes p is short of a multiple of align, a power of two.
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

// stackPage is the page of the stack that the caller runs on, which no two goroutines share for
// long.
func stackPage() uint32 {
	var here struct{}
	return uint32(uintptr(unsafe.Pointer(&here)) >> 12)
}

// Allocate is Allocator.Allocate, except that it neither rounds n up nor aligns: AllocateAligned is
// for structs. (It stands here, and reads as it does, to be just within what the compiler inlines.)
func (k *Cursor) Allocate(n int) []byte {
	if k.left -= n; k.left|n < 0 {
		return k.undo(n)
	}
	return unsafe.Slice((*byte)(unsafe.Add(k.base, k.left)), n)
}

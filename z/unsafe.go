package z

import "unsafe"

// All conversions between addresses and slices stand here.

// bytesAt is the n bytes at p as a slice without spare capacity, so that an append to it copies
// rather than runs into the neighbour.
func bytesAt(p unsafe.Pointer, n int) []byte {
	return unsafe.Slice((*byte)(p), n)
}

// startOf is the address of b's first byte, and of its backing array's where b has length 0.
func startOf(b []byte) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(b))
}

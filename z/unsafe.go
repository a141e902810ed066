package z

import (
	"encoding/binary"
	"unsafe"
)

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

// at is the address i bytes behind p, in the same memory.
func at(p unsafe.Pointer, i uintptr) unsafe.Pointer { return unsafe.Add(p, i) }

// le64 is the little-endian number at p, and putLE64 writes one.
func le64(p unsafe.Pointer) uint64       { return binary.LittleEndian.Uint64((*[8]byte)(p)[:]) }
func putLE64(p unsafe.Pointer, v uint64) { binary.LittleEndian.PutUint64((*[8]byte)(p)[:], v) }

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

// Framed records are 8 bytes of length, little-endian, and the bytes. Those below trust the length:
// checkRecords looked at it.

// frame is the bytes in front of a record.
const frame = 8

// recordAt is the record whose frame is off bytes behind base, without spare capacity.
func recordAt(base unsafe.Pointer, off int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(base, off+frame)), recordLen(base, off))
}

// recordLen is the length of that record, in bytes, without its frame.
func recordLen(base unsafe.Pointer, off int) int {
	return int(binary.LittleEndian.Uint64((*[frame]byte)(unsafe.Add(base, off))[:]))
}

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

//go:build unix

package c

// #cgo noescape zm_mmap_file
// #cgo nocallback zm_mmap_file
// #cgo noescape zm_mmap_resize
// #cgo nocallback zm_mmap_resize
// #cgo noescape zm_mmap_reserve
// #cgo nocallback zm_mmap_reserve
// #cgo noescape zm_mmap_free
// #cgo nocallback zm_mmap_free
// #cgo noescape zm_mmap_sync
// #cgo nocallback zm_mmap_sync
// #cgo noescape zm_mmap_advise
// #cgo nocallback zm_mmap_advise
// #include "zmem.h"
import "C"

import "unsafe"

// How a file is mapped: ZM_MMAP_WRITE and ZM_MMAP_RESERVE.
const (
	MmapWrite   = C.ZM_MMAP_WRITE
	MmapReserve = C.ZM_MMAP_RESERVE
)

// MmapFile is zm_mmap_file.
func MmapFile(fd uintptr, flags int, size uintptr, cause *Cause) (unsafe.Pointer, Err) {
	var addr unsafe.Pointer
	err := C.zm_mmap_file(C.int(fd), C.int(flags), C.size_t(size), &addr, cause.c())
	return addr, Err(err)
}

// MmapResize is zm_mmap_resize; it returns where the mapping is, also when it fails.
func MmapResize(fd uintptr, flags int, addr unsafe.Pointer, old, size uintptr, cause *Cause) (unsafe.Pointer, Err) {
	err := C.zm_mmap_resize(C.int(fd), C.int(flags), &addr, C.size_t(old), C.size_t(size), cause.c())
	return addr, Err(err)
}

// MmapReserveBlocks is zm_mmap_reserve.
func MmapReserveBlocks(fd, from, to uintptr, cause *Cause) Err {
	return Err(C.zm_mmap_reserve(C.int(fd), C.size_t(from), C.size_t(to), cause.c()))
}

// MmapFree is zm_mmap_free.
func MmapFree(addr unsafe.Pointer, size uintptr, cause *Cause) Err {
	return Err(C.zm_mmap_free(addr, C.size_t(size), cause.c()))
}

// MmapSync is zm_mmap_sync.
func MmapSync(addr unsafe.Pointer, size uintptr, cause *Cause) Err {
	return Err(C.zm_mmap_sync(addr, C.size_t(size), cause.c()))
}

// MmapAdvise is zm_mmap_advise.
func MmapAdvise(addr unsafe.Pointer, size uintptr, readahead bool, cause *Cause) Err {
	return Err(C.zm_mmap_advise(addr, C.size_t(size), C.bool(readahead), cause.c()))
}

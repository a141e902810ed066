//go:build unix

package z

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"syscall"

	"github.com/zmem-go/zmem/c"
)

// Mmap maps the first size bytes of a file into memory: reading the slice reads the file, and
// writing to it, where writable, writes the file. fd has to be open for reading, and for writing
// where writable; it may be closed while the mapping lives on. The slice has length and capacity
// size, and is valid until it is passed to Munmap, which is the caller's to do. It is no Go memory
// and not counted by NumAllocBytes.
//
// For writing, a file that is shorter is made size bytes long, with zeros; it is sparse, as that of an
// MmapFile is, unless ReserveBlocks is among the options. For reading only, a file that is shorter is
// an error that is io.ErrUnexpectedEOF. A size of 0 gives nil. Mmap panics where size is negative.
// An error names the file, and leaves it as it was; syscall.ENOSPC is that of a full disk.
//
// While the slice is in use nobody may make the file shorter: touching what is no longer there is a
// fault that ends the program.
func Mmap(fd *os.File, writable bool, size int64, options ...MmapOption) ([]byte, error) {
	return mmap("Mmap", fd, mmapFlags(writable, slices.Contains(options, ReserveBlocks)), size)
}

func mmap(call string, fd *os.File, flags int, size int64) ([]byte, error) {
	n, err := mapSize(call, fd, "mmap", size)
	if err != nil {
		return nil, err
	}
	var cause c.Cause
	p, e := c.MmapFile(fd.Fd(), flags, n, &cause)
	runtime.KeepAlive(fd)
	if e == c.ESYS && flags&c.MmapWrite == 0 && syscall.Errno(cause.Code) == syscall.ENXIO {
		return nil, pathError(call, "mmap", fd.Name(),
			fmt.Errorf("%d bytes of a shorter file: %w", size, io.ErrUnexpectedEOF))
	}
	if e != c.OK {
		return nil, fileError(call, fd.Name(), e, &cause)
	}
	return bytesAt(p, int(n)), nil
}

// Munmap ends a mapping, given the slice that Mmap returned; it goes by its first byte and its
// capacity, as Free does. What was written to it is in the file. Neither the slice nor any other into
// the same memory may be used after it. For nil nothing happens.
func Munmap(b []byte) error {
	var cause c.Cause
	return mapError("Munmap", c.MmapFree(startOf(b), uintptr(cap(b)), &cause), &cause)
}

// Msync waits until what was written to b, which is a mapping from Mmap or any part of one, is on the
// disk. Without it the system writes it when it likes, but does write it, even if the process dies.
func Msync(b []byte) error {
	var cause c.Cause
	return mapError("Msync", c.MmapSync(startOf(b), uintptr(len(b)), &cause), &cause)
}

// Madvise says how b, which is a mapping from Mmap or any part of one, will be read: readahead
// false where it is in random order, so that reading a page does not read those around it; true is
// what holds without it. Whole pages are meant, those that b touches.
func Madvise(b []byte, readahead bool) error {
	var cause c.Cause
	return mapError("Madvise", c.MmapAdvise(startOf(b), uintptr(len(b)), readahead, &cause), &cause)
}

// SyncDir waits until the names in a folder are on the disk as they are now: a new file, or one that
// was renamed or removed, may otherwise have its former state after a crash of the machine.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	return callError("SyncDir", err)
}

// mapSize is size, of a mapping of fd, for C.
func mapSize(call string, fd *os.File, op string, size int64) (uintptr, error) {
	if size < 0 {
		panic(fmt.Sprintf("z: %s: negative size %d", call, size))
	}
	if size > MaxArrayLen {
		return 0, pathError(call, op, fd.Name(), syscall.EFBIG)
	}
	return uintptr(size), nil
}

package z

import (
	"io"
	"os"
	"strings"

	"github.com/zmem-go/zmem/c"
)

// MemStats is what the backend knows of its own memory, and what is in files, all in bytes. Fields that
// a backend does not know are 0.
type MemStats struct {
	Allocated uint64 // in blocks handed out, the rounding of their sizes included
	Active    uint64 // in pages that hold such blocks
	Metadata  uint64 // the backend's own bookkeeping
	Resident  uint64 // physical memory that the backend holds, at most
	Mapped    uint64 // address space in active use
	Retained  uint64 // address space kept, whose memory was given back
	FileBytes uint64 // NumFileBytes; not the backend's, nor part of what is above
}

// ReadMemStats fills stats with the backend's own figures: its view of the whole process, in which
// blocks in caches count as allocated, and so may memory of other C code. It takes microseconds with
// jemalloc; libc walks its free lists, up to 100 ms where there are millions. Where the backend
// fails, its figures are all zero.
func ReadMemStats(stats *MemStats) {
	mustInit()
	var s c.MemStats
	c.ReadMemStats(&s)
	*stats = MemStats{
		Allocated: s.Allocated,
		Active:    s.Active,
		Metadata:  s.Metadata,
		Resident:  s.Resident,
		Mapped:    s.Mapped,
		Retained:  s.Retained,
		FileBytes: uint64(max(NumFileBytes(), 0)),
	}
}

// NumAllocBytes is the number of bytes of manual memory asked for and not freed yet, whoever asked.
// It is exact whenever no allocation or Free is under way.
func NumAllocBytes() int64 { return c.NumAllocBytes() }

// NumFileBytes is the number of bytes of the files that Buffers are in, as far as they are mapped: those
// of NewBufferTmp, WithAutoMmap and NewBufferPersistent, and those that such Buffers are sorted by. Their
// blocks on the disk are reserved; what of them is in memory the system can write out. NumAllocBytes
// counts none of them, and here none of an MmapFile or Mmap counts: those are the program's own files,
// which may be sparse, and the length of Data. It is as exact as NumAllocBytes.
func NumFileBytes() int64 { return c.NumFileBytes() }

// NumAllocs is the number of blocks of manual memory not freed yet, exact as NumAllocBytes is.
// Empty slices from Calloc(0) are none.
func NumAllocs() int64 { return c.NumAllocs() }

// WriteStats writes the backend's own report, text for people to read, to w. It returns w's error,
// or one that is ErrOutOfMemory.
func WriteStats(w io.Writer) error {
	mustInit()
	text, err := c.StatsText()
	if err != c.OK {
		return wrap("WriteStats", err)
	}
	_, werr := io.WriteString(w, text)
	return werr
}

// StatsPrint is WriteStats to standard error, whatever comes of it.
func StatsPrint() { _ = WriteStats(os.Stderr) }

// ReturnMemory gives memory that is free, but kept for later by caches and the backend, back to the
// system at once, rather than after it was idle for some seconds. It stops the world for a moment and takes milliseconds, and what it gave back is slower to
// get again: call it after a peak, not in a loop. jemalloc may still be at it on its own thread when
// it returns; glibc keeps some of what is free at the end of its arenas, up to 64 MiB each once large
// blocks were freed. An error is the backend's.
func ReturnMemory() error {
	mustInit()
	return wrap("ReturnMemory", returnMemory())
}

// Backend is the name of the allocator in use: "libc" or "jemalloc".
func Backend() string {
	mustInit()
	return c.Backend()
}

// Backends lists the allocators that this program was built with, the default first.
func Backends() []string { return strings.Split(c.Backends(), ",") }

package z

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/zmem-go/zmem/c"
)

// Sorting the records of a Buffer, in place. All sorts are stable: records that are equal stay in
// their order. They take memory for their own use, of the kind that the Buffer is in (a temporary
// file of its own where the Buffer is in a file), of at most half of what is sorted, and 64 MiB; it
// is given back before they return. Where they fail, the Buffer is as it was.
//
// A Buffer of NewBufferPersistent whose records are committed is sorted in a copy of its file, which
// takes the file's place at the next Sync or Release: if the process dies before, the file has what
// was committed, unsorted. That takes as much disk again as the Buffer, until then. Sync returns an
// error that is syscall.ESTALE where the file is not at its path any more.
//
// The sorts by a key run in C, on as many threads as there are processors; the environment variable
// ZMEM_THREADS sets another number. Those with a LessFunc run in Go.

// SortSlice sorts the records by less, which it calls from one goroutine, the caller's. Should less
// panic, SortSlice does, and all records are there, in some order. It panics with an error too where
// there is no memory, or no room on the disk, to sort in, or the Buffer has bytes that are no
// record.
func (b *Buffer) SortSlice(less LessFunc) {
	must(b.sort("SortSlice", 0, -1, func(r *sorting) error { return r.byFunc(less, 1) }))
}

// SortSliceBetween is SortSlice for the records from offset start to offset end, both of which have
// to be those of records, as SliceOffsets lists them, or the end of the Buffer. It panics where they
// are not.
func (b *Buffer) SortSliceBetween(start, end int, less LessFunc) {
	must(b.sort("SortSliceBetween", start, end, func(r *sorting) error { return r.byFunc(less, 1) }))
}

// SortSliceParallel is SortSlice with less called from up to GOMAXPROCS goroutines at once, all of
// which have ended when it returns. A panic in one of them becomes the caller's.
func (b *Buffer) SortSliceParallel(less LessFunc) {
	must(b.sort("SortSliceParallel", 0, -1, func(r *sorting) error {
		return r.byFunc(less, runtime.GOMAXPROCS(0))
	}))
}

// SortSliceParallelBetween is SortSliceParallel from offset start to offset end.
func (b *Buffer) SortSliceParallelBetween(start, end int, less LessFunc) {
	must(b.sort("SortSliceParallelBetween", start, end, func(r *sorting) error {
		return r.byFunc(less, runtime.GOMAXPROCS(0))
	}))
}

// SortBytes sorts the records as bytes.Compare orders them. An error is ErrOutOfMemory, or the
// system's where there is no room on the disk to sort in, or says which bytes are no record.
func (b *Buffer) SortBytes() error {
	return b.sort("SortBytes", 0, -1, func(r *sorting) error { return r.byKey(c.SortBytes, 0) })
}

// SortBytesBetween is SortBytes for the records from offset start to offset end, both of which have to
// be those of records, or the end of the Buffer; an error says so where they are not.
func (b *Buffer) SortBytesBetween(start, end int) error {
	return b.sort("SortBytesBetween", start, end, func(r *sorting) error { return r.byKey(c.SortBytes, 0) })
}

// SortUint64 sorts the records by the unsigned integer, in the machine's byte order, that stands off
// bytes into each. Its errors are those of SortBytes, and one that names the first record that is too
// short. It panics where off is negative.
func (b *Buffer) SortUint64(off int) error {
	return b.sort("SortUint64", 0, -1, func(r *sorting) error { return r.byKey(c.SortUint64, off) })
}

// SortUint64Between is SortUint64 for the records from offset start to offset end, as in
// SortBytesBetween.
func (b *Buffer) SortUint64Between(start, end, off int) error {
	return b.sort("SortUint64Between", start, end, func(r *sorting) error { return r.byKey(c.SortUint64, off) })
}

// SortInt64 is SortUint64 for a signed integer.
func (b *Buffer) SortInt64(off int) error {
	return b.sort("SortInt64", 0, -1, func(r *sorting) error { return r.byKey(c.SortInt64, off) })
}

// SortInt64Between is SortUint64Between for a signed integer.
func (b *Buffer) SortInt64Between(start, end, off int) error {
	return b.sort("SortInt64Between", start, end, func(r *sorting) error { return r.byKey(c.SortInt64, off) })
}

// sorting is a range of records that is to be sorted.
type sorting struct {
	b       *Buffer
	method  string
	records []byte
}

// sort has do sort the records from offset start to offset end (-1: all).
func (b *Buffer) sort(method string, start, end int, do func(*sorting) error) error {
	k := b.use(method)
	if end == -1 {
		start, end = int(k.Start), int(k.Len)
	}
	if start < int(k.Start) || end < start || end > int(k.Len) {
		return fmt.Errorf("z: Buffer.%s: %w from %d to %d, as there are those from %d to %d",
			method, ErrNoRecord, start, end, k.Start, k.Len)
	}
	var cause c.Cause
	copied, cerr := false, c.OK
	if k.Kind == c.BufferFile {
		copied, cerr = k.Rewrite(uintptr(start), &cause)
	}
	if cerr != c.OK {
		return b.failed(method, cerr, &cause)
	}
	err := do(&sorting{b, method, b.Bytes()[start-int(k.Start) : end-int(k.Start)]})
	if err != nil && copied {
		k.RewriteUndo()
	}
	var wrong *recordError
	if errors.As(err, &wrong) {
		wrong.off += start
		return callError("Buffer."+method, wrong)
	}
	return err
}

func (r *sorting) byKey(key c.SortKey, off int) error {
	if off < 0 {
		panic(fmt.Sprintf("z: Buffer.%s: negative offset %d", r.method, off))
	}
	return r.with(int(c.SortScratch(uintptr(len(r.records)))), func(scratch []byte) error {
		return sortKeys(r.records, scratch, key, off)
	})
}

func (r *sorting) byFunc(less LessFunc, workers int) error {
	if less == nil {
		panic(fmt.Sprintf("z: Buffer.%s: nil LessFunc", r.method))
	}
	n := len(r.records)
	last := r.lastApart()
	return r.with(max(sortScratch(n, workers), sortScratch(last, workers)), func(scratch []byte) error {
		err := sortRecords(r.records[:last], scratch, less, workers)
		if err == nil && last < n {
			insertLast(r.records, scratch, last, less)
		}
		return err
	})
}

// lastApart is the offset of the last record where sortRecords must not have that one, since an empty
// record would come to stand at the very end of the Buffer's memory; else the end.
func (r *sorting) lastApart() int {
	n, k := len(r.records), r.b.ctl
	if n == 0 || &r.records[n-1] != (*byte)(at(k.Data, k.Cap-1)) {
		return n
	}
	last, empty := n, false
	for off := 0; off < n; {
		if checkRecord(r.records, off) != nil {
			return n // sortRecords will say so
		}
		size := recordLen(startOf(r.records), off)
		last, empty = off, empty || size == 0
		off += frame + size
	}
	if !empty {
		return n
	}
	return last
}

// with calls do with n bytes of memory that is given back whatever do does.
func (r *sorting) with(n int, do func(scratch []byte) error) error {
	scratch, done, err := r.b.scratch(r.method, n)
	if err != nil {
		return err
	}
	defer done()
	return do(scratch)
}

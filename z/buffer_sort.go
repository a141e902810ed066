package z

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/zmem-go/zmem/c"
)

// Sorting the records of a Buffer, in place. All sorts are stable: records that are equal stay in
// their order.
//
// They take scratch memory, of the kind that the Buffer is in (a temporary file of its own where the
// Buffer is in a file): half of the bytes that are sorted and 64 MiB at most, and less for few: a sort
// by a key of up to 32 MiB takes four times what it sorts, or that. It is given back before they return.
// Where there is no memory for it, or no room on the disk, they fail, and the Buffer is as it was.
//
// A Buffer of NewBufferPersistent whose records are committed is sorted in a copy of its file, which
// takes the file's place at the next Sync or Release: if the process dies before, the file has what
// was committed, unsorted. That takes as much disk again as the Buffer, until then. Slices of the
// Buffer's memory are not valid any more when such a sort begins: a LessFunc may use those that it is
// given. Sync returns an error that is syscall.ESTALE where the file is not at its path any more. Other
// hard links to the file keep the unsorted one.
//
// The copy's name is that of the file with .zmem-new behind it, for a moment: that name has to be
// free, the process has to be allowed to make files in the folder, and to own the file or be root.
// Otherwise the sort fails.
//
// The sorts by a key run in C, on as many threads as there are processors; the environment variable
// ZMEM_THREADS sets another number. Those with a LessFunc run in Go.

// SortKey is what in a record it is sorted by.
type SortKey uint32

// The keys of Buffer.Sort.
const (
	ByBytes  = SortKey(c.SortBytes)  // the record as a whole, as bytes.Compare orders them
	ByUint64 = SortKey(c.SortUint64) // an unsigned integer of 8 bytes, in the machine's byte order
	ByInt64  = SortKey(c.SortInt64)  // a signed one
)

// SortOptions is how Buffer.Sort sorts. The zero value sorts all records by their bytes.
type SortOptions struct {
	Key    SortKey  // what to sort by, unless there is a Less
	Offset int      // of the integer in each record, in bytes
	Less   LessFunc // what to sort by instead of a Key

	// Start and End are the offsets of the first record to be sorted and of the first one behind those,
	// as SliceOffsets lists them, or the end of the Buffer. 0 stands for the first and for the end.
	Start, End int

	// Threads is how many are to sort at most. 0 is as many as there are processors for a Key, bounded
	// by ZMEM_THREADS; and 1 for a Less, which is called from as many goroutines at once.
	Threads int

	// Progress, if not nil, is called some twenty times a second with how much of the work is done, in
	// bytes of all those that are sorted: done never falls, and is total in a last call when all are
	// sorted. The calls come one after another, from another goroutine but for the last, and have ended
	// when Sort returns. A panic in one ends the sort and becomes the caller's.
	Progress func(done, total int64)
}

// Sort sorts records until ctx is done; a nil ctx never is.
//
// A sort that was stopped leaves every record, in some order. It returns an error that is ctx.Err() as
// soon as what is in scratch memory is back in the Buffer, as long as copying half of it takes at most.
// Where ctx is done when Sort is called, nothing has changed. Other errors are ErrOutOfMemory, or the
// system's where there is no room on the disk to sort in, or ErrNoRecord for bytes that are no record,
// records too short for their key, and Start or End outside of the Buffer; the Buffer is as it was then.
//
// It panics where Offset or Threads is negative or Key is none of those above. Should Less panic, Sort
// does, and all records are there, in some order.
func (b *Buffer) Sort(ctx context.Context, opts SortOptions) error {
	all := opts.Start == 0 && opts.End == 0
	if k := b.use("Sort"); !all {
		if opts.Start == 0 {
			opts.Start = int(k.Start)
		}
		if opts.End == 0 {
			opts.End = int(k.Len)
		}
	}
	if opts.Threads < 0 {
		panic(fmt.Sprintf("z: Buffer.Sort: negative number of threads, %d", opts.Threads))
	}
	if opts.Key > ByInt64 {
		panic(fmt.Sprintf("z: Buffer.Sort: no key %d", opts.Key))
	}
	if opts.Less != nil {
		opts.Threads = max(opts.Threads, 1)
	}
	return b.sort(ctx, "Sort", opts, all)
}

// SortSlice sorts the records by less, which it calls from one goroutine, the caller's. Should less
// panic, SortSlice does, and all records are there, in some order. It panics with an error too where
// there is no memory, or no room on the disk, to sort in, or the Buffer has bytes that are no
// record.
func (b *Buffer) SortSlice(less LessFunc) {
	must(b.sortAll("SortSlice", SortOptions{Less: b.mustLess("SortSlice", less), Threads: 1}))
}

// SortSliceBetween is SortSlice for the records from offset start to offset end, both of which have
// to be those of records, as SliceOffsets lists them, or the end of the Buffer. It panics where they
// are not.
func (b *Buffer) SortSliceBetween(start, end int, less LessFunc) {
	must(b.sortBetween("SortSliceBetween", start, end, SortOptions{Less: b.mustLess("SortSliceBetween", less), Threads: 1}))
}

// SortSliceParallel is SortSlice with less called from up to GOMAXPROCS goroutines at once, all of
// which have ended when it returns. A panic in one of them becomes the caller's.
func (b *Buffer) SortSliceParallel(less LessFunc) {
	must(b.sortAll("SortSliceParallel", SortOptions{Less: b.mustLess("SortSliceParallel", less), Threads: runtime.GOMAXPROCS(0)}))
}

// SortSliceParallelBetween is SortSliceParallel from offset start to offset end.
func (b *Buffer) SortSliceParallelBetween(start, end int, less LessFunc) {
	must(b.sortBetween("SortSliceParallelBetween", start, end, SortOptions{Less: b.mustLess("SortSliceParallelBetween", less), Threads: runtime.GOMAXPROCS(0)}))
}

// SortBytes sorts the records as bytes.Compare orders them. An error is ErrOutOfMemory, or the
// system's where there is no room on the disk to sort in, or says which bytes are no record.
func (b *Buffer) SortBytes() error {
	return b.sortAll("SortBytes", SortOptions{Key: ByBytes})
}

// SortBytesBetween is SortBytes for the records from offset start to offset end, both of which have to
// be those of records, or the end of the Buffer; an error says so where they are not.
func (b *Buffer) SortBytesBetween(start, end int) error {
	return b.sortBetween("SortBytesBetween", start, end, SortOptions{Key: ByBytes})
}

// SortUint64 sorts the records by the unsigned integer, in the machine's byte order, that stands off
// bytes into each. Its errors are those of SortBytes, and one that names the first record that is too
// short. It panics where off is negative.
func (b *Buffer) SortUint64(off int) error {
	return b.sortAll("SortUint64", SortOptions{Key: ByUint64, Offset: off})
}

// SortUint64Between is SortUint64 for the records from offset start to offset end, as in
// SortBytesBetween.
func (b *Buffer) SortUint64Between(start, end, off int) error {
	return b.sortBetween("SortUint64Between", start, end, SortOptions{Key: ByUint64, Offset: off})
}

// SortInt64 is SortUint64 for a signed integer.
func (b *Buffer) SortInt64(off int) error {
	return b.sortAll("SortInt64", SortOptions{Key: ByInt64, Offset: off})
}

// SortInt64Between is SortUint64Between for a signed integer.
func (b *Buffer) SortInt64Between(start, end, off int) error {
	return b.sortBetween("SortInt64Between", start, end, SortOptions{Key: ByInt64, Offset: off})
}

// mustLess is less, for a method of a Buffer that was not released.
func (b *Buffer) mustLess(method string, less LessFunc) LessFunc {
	b.use(method)
	if less == nil {
		panic(fmt.Sprintf("z: Buffer.%s: nil LessFunc", method))
	}
	return less
}

func (b *Buffer) sortAll(method string, opts SortOptions) error {
	return b.sort(context.Background(), method, opts, true)
}

func (b *Buffer) sortBetween(method string, start, end int, opts SortOptions) error {
	opts.Start, opts.End = start, end
	return b.sort(context.Background(), method, opts, false)
}

// sorting is a range of records that is to be sorted.
type sorting struct {
	SortOptions
	b       *Buffer
	method  string
	records []byte
	watch   sortWatch
}

// sort sorts all records, or those from Start to End.
func (b *Buffer) sort(ctx context.Context, method string, opts SortOptions, all bool) error {
	k := b.use(method)
	if opts.Offset < 0 {
		panic(fmt.Sprintf("z: Buffer.%s: negative offset %d", method, opts.Offset))
	}
	start, end := opts.Start, opts.End
	if all {
		start, end = int(k.Start), int(k.Len)
	}
	if start < int(k.Start) || end < start || end > int(k.Len) {
		return fmt.Errorf("z: Buffer.%s: %w from %d to %d, as there are those from %d to %d",
			method, ErrNoRecord, start, end, k.Start, k.Len)
	}
	if ctx == nil {
		ctx = context.Background()
	}
	if err := ctx.Err(); err != nil {
		return callError("Buffer."+method, err)
	}
	var cause c.Cause
	copied, cerr := false, c.OK
	if k.Kind == c.BufferFile {
		copied, cerr = k.Rewrite(uintptr(start), &cause)
	}
	if cerr != c.OK {
		return b.failed(method, cerr, &cause)
	}
	r := &sorting{SortOptions: opts, b: b, method: method,
		records: b.Bytes()[start-int(k.Start) : end-int(k.Start)]}
	err := r.watch.during(ctx, end-start, opts.Progress, func() error {
		if opts.Less != nil {
			return r.byFunc(opts.Less, opts.Threads)
		}
		return r.byKey(c.SortKey(opts.Key), opts.Offset)
	})
	stopped := err != nil && err == ctx.Err()
	if copied && err != nil && !stopped { // nothing was moved
		k.RewriteUndo()
	}
	var wrong *recordError
	switch {
	case errors.As(err, &wrong):
		wrong.off += start
		return callError("Buffer."+method, wrong)
	case stopped:
		return callError("Buffer."+method, err)
	}
	return err
}

func (r *sorting) byKey(key c.SortKey, off int) error {
	return r.with(int(c.SortScratch(uintptr(len(r.records)))), func(scratch []byte) error {
		return sortKeys(r.records, scratch, key, off, r.Threads, &r.watch)
	})
}

func (r *sorting) byFunc(less LessFunc, workers int) error {
	n := len(r.records)
	last := r.lastApart()
	workers = min(workers, maxWorkers)
	return r.with(max(sortScratch(n, workers), sortScratch(last, workers)), func(scratch []byte) error {
		err := sortRecords(r.records[:last], scratch, less, workers, &r.watch)
		if err == nil && last < n {
			err = insertLast(r.records, scratch, last, less, &r.watch)
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

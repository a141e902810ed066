package z

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// LessFunc says whether record l is to stand before record r. Both slices are valid during the call
// only, and are not to be written to.
type LessFunc func(l, r []byte) bool

// Sorting with a LessFunc goes as sorting by keys does in C (see c/sort.c), one call of less in
// place of one comparison: chunks that fit a processor's cache are sorted by an index, and merged,
// two neighbours at a time, the left one copied out to scratch memory. Whatever less does, no record
// is lost: where it panics, they are all there, in some order.

// A chunk has at most chunkRecords records in chunkBytes bytes, or is one record.
const (
	chunkRecords = 1 << 14
	chunkBytes   = 1 << 19
	maxRuns      = 1 << 20 // of a range; in one for which these are too few chunks are larger
)

// chunkScale is by how many doublings chunks in a range of n bytes are larger.
func chunkScale(n int) int {
	return bits.Len64(uint64(n) / (frame * chunkRecords * maxRuns))
}

// maxWorkers bounds the scratch memory: a worker takes 640 KiB of it.
const maxWorkers = 64

// workerArea is the scratch memory of a worker while it sorts chunks: the index, twice, and the
// records. An index is of uint32, which chunks of that scale never outgrow.
func workerArea(n int) int {
	return min((2*4*chunkRecords+chunkBytes)<<chunkScale(n), n/frame*8+n+16)
}

// runTable is the scratch memory for where runs start: as many as can be, and the end. Two
// neighbouring chunks have more than chunkBytes bytes together, or more than chunkRecords records.
func runTable(n int) int {
	return 8 * (2*(n>>chunkScale(n))/(frame*chunkRecords) + 4)
}

// sortScratch is the scratch memory that sortRecords needs for n bytes, in bytes: at most n/2 and
// 64 MiB. It is the table of runs, what workers use, and 8 bytes, of which up to 7 align the table,
// and one at least stands behind the last record.
func sortScratch(n, workers int) int { return runTable(n) + workScratch(n, workers) + 8 }

func workScratch(n, workers int) int {
	return max(min(workers, maxWorkers)*workerArea(n), n/2)
}

// sortRecords sorts framed records in place by less, those of which neither is less staying in their
// order. A byte of the same memory stands behind data, or no record is empty. scratch is manual
// memory of sortScratch bytes. less is called by one goroutine after the other, or, where there are
// several workers, by as many at once. An error says which record does not end within the range;
// nothing was changed then.
//
// Where watch is stopped, records are in some order, and the error is errStopped.
func sortRecords(data, scratch []byte, less LessFunc, workers int, watch *sortWatch) error {
	workers = min(workers, maxWorkers)
	skip := int(-uintptr(startOf(scratch)) & 7)
	table := runTable(len(data))
	s := sorter{
		data:    data,
		runs:    numbersAt[uint64](scratch[skip:], table/8),
		scratch: scratch[skip+table:][:workScratch(len(data), workers)],
		less:    less,
		workers: workers,
		watch:   watch,
	}
	if err := s.findChunks(); err != nil {
		return err
	}
	watch.reached(len(data), shareFind)
	runTasks(workers, len(s.runs)-1, s.sortChunk)
	for n := len(s.runs) - 1; n > 1; n = (n + 1) / 2 {
		s.levels++
	}
	if !watch.stopped() {
		watch.reached(len(data), shareFind+shareChunks)
	}
	for len(s.runs) > 2 && !watch.stopped() {
		s.mergePairs()
	}
	return watch.err()
}

// insertLast moves the last record, at off, to its place among those before it, which are sorted.
// scratch has at least half the size of data. Stopped, it leaves all where it is.
func insertLast(data, scratch []byte, off int, less LessFunc, watch *sortWatch) error {
	base := startOf(data)
	record := recordAt(base, off)
	to := 0
	for n := 0; to < off && !less(record, recordWithin(base, to)); n++ {
		if n%lookEvery == 0 && watch.stopped() {
			return errStopped
		}
		to += frame + recordLen(base, to)
	}
	// The record and what is to stand behind it change places by way of the smaller of them.
	if framed := data[off:]; len(framed) <= len(scratch) {
		n := copy(scratch, framed)
		copy(data[to+n:], data[to:off])
		copy(data[to:], scratch[:n])
	} else {
		n := copy(scratch, data[to:off])
		copy(data[to:], framed)
		copy(data[len(data)-n:], scratch[:n])
	}
	return nil
}

// sortKeys sorts framed records in place by a key in C; see zm_sort. scratch is of c.SortScratch
// bytes.
func sortKeys(data, scratch []byte, key c.SortKey, off, threads int, watch *sortWatch) error {
	at, err := c.Sort(data, key, uintptr(min(off, MaxArrayLen)), scratch, uint(min(threads, 1<<16)), &watch.shared)
	if err == c.ESTOPPED {
		return errStopped
	}
	if err == c.EINVAL && int(at) < len(data) {
		if e := checkRecord(data, int(at)); e != nil {
			return e
		}
		return &recordError{int(at), fmt.Sprintf("its %d bytes have no 8 at %d",
			recordLen(startOf(data), int(at)), off)}
	}
	return wrap("sort", err)
}

// checkRecord returns an error unless a whole record stands at off.
func checkRecord(data []byte, off int) error {
	room := len(data) - off - frame
	if room < 0 {
		return &recordError{off, fmt.Sprintf("only %d bytes", room+frame)}
	}
	if n := binary.LittleEndian.Uint64(data[off:]); n > uint64(room) {
		return &recordError{off, fmt.Sprintf("%d bytes, of which %d are there", n, room)}
	}
	return nil
}

// recordError is what is wrong with the record at off.
type recordError struct {
	off  int
	what string
}

func (e *recordError) Error() string {
	return fmt.Sprintf("%v at offset %d: %s", ErrNoRecord, e.off, e.what)
}

func (e *recordError) Unwrap() error { return ErrNoRecord }

// sorter is a sort under way.
type sorter struct {
	data    []byte
	runs    []uint64 // offsets at which chunks start, later runs, and the end
	scratch []byte   // the rest of it
	less    LessFunc
	workers int
	levels  int // of merging
	watch   *sortWatch
}

// findChunks checks all records and cuts them into chunks.
func (s *sorter) findChunks() error {
	scale := chunkScale(len(s.data))
	chunks, start, n := 0, 0, 0
	for at := 0; at < len(s.data); n++ {
		if err := checkRecord(s.data, at); err != nil {
			return err
		}
		end := at + frame + recordLen(startOf(s.data), at)
		if at == 0 || n == chunkRecords<<scale || end-start > chunkBytes<<scale {
			if s.watch.stopped() {
				return errStopped
			}
			s.runs[chunks] = uint64(at)
			chunks++
			start, n = at, 0
		}
		at = end
	}
	s.runs[chunks] = uint64(len(s.data))
	s.runs = s.runs[:chunks+1]
	return nil
}

// sortChunk sorts chunk i.
func (s *sorter) sortChunk(worker, i int) {
	data := s.data[s.runs[i]:s.runs[i+1]]
	if s.watch.stopped() {
		return
	}
	defer func() { s.watch.did(len(data), shareChunks, 1) }()
	base := startOf(data)
	n := 0
	for at := 0; at < len(data); n++ {
		at += frame + recordLen(base, at)
	}
	if n < 2 {
		return
	}
	area := s.scratch[worker*workerArea(len(s.data))&^7:]
	index, tmp := numbersAt[uint32](area, n), numbersAt[uint32](area[4*n:], n)
	for i, at := 0, 0; i < n; i++ {
		index[i] = uint32(at)
		at += frame + recordLen(base, at)
	}
	index = s.sortIndex(base, index, tmp)
	if s.watch.stopped() { // perhaps not all of them are in the index
		return
	}
	out := area[8*n:][:len(data)]
	to := 0
	for _, at := range index {
		size := frame + recordLen(base, int(at))
		copyRecord(unsafe.Add(startOf(out), to), unsafe.Add(base, at), size)
		to += size
	}
	copy(data, out)
}

// sortIndex sorts the records at base, whose offsets stand in index, and returns their offsets in
// order, in index or in tmp. It is a merge sort from the bottom up. Stopped, it returns anything.
func (s *sorter) sortIndex(base unsafe.Pointer, index, tmp []uint32) []uint32 {
	const few = 4
	less := s.less
	for i := 0; i < len(index); i += few {
		if i%lookEvery == 0 && s.watch.stopped() {
			return index
		}
		insertIndex(base, index[i:min(i+few, len(index))], less)
	}
	for width := few; width < len(index); width *= 2 {
		for i := 0; i < len(index); i += 2 * width {
			mid, end := min(i+width, len(index)), min(i+2*width, len(index))
			s.mergeIndex(base, tmp[i:end], index[i:mid], index[mid:end])
		}
		index, tmp = tmp, index
	}
	return index
}

// insertIndex sorts a few records by insertion.
func insertIndex(base unsafe.Pointer, index []uint32, less LessFunc) {
	for i := 1; i < len(index); i++ {
		x := index[i]
		rec := recordWithin(base, int(x))
		j := i
		for ; j > 0 && less(rec, recordWithin(base, int(index[j-1]))); j-- {
			index[j] = index[j-1]
		}
		index[j] = x
	}
}

// mergeIndex merges left and right into out, from both ends at once: those are two chains of calls, of
// which neither waits for the other. No branch depends on what less says, since the processor would
// guess it wrong every second time.
func (s *sorter) mergeIndex(base unsafe.Pointer, out, left, right []uint32) {
	less := s.less
	l, r, o := left, right, out
	for len(l) > 0 && len(r) > 0 {
		if s.watch.stopped() {
			return
		}
		front, back := 0, 0 // how many of the right ones were taken
		k := min(len(l), len(r), lookEvery)
		pl, pr, po := unsafe.Pointer(&l[0]), unsafe.Pointer(&r[0]), unsafe.Pointer(&o[0])
		lastL, lastR, lastO := len(l)-1, len(r)-1, len(o)-1
		for i := range k {
			x, y := *offsetAt(pl, i-front), *offsetAt(pr, front)
			takeRight := 0
			if less(recordWithin(base, int(y)), recordWithin(base, int(x))) {
				takeRight = 1
			}
			if takeRight != 0 {
				x = y
			}
			*offsetAt(po, i) = x
			front += takeRight

			x, y = *offsetAt(pl, lastL-(i-back)), *offsetAt(pr, lastR-back)
			takeRight = 1
			if less(recordWithin(base, int(y)), recordWithin(base, int(x))) {
				takeRight = 0
			}
			if takeRight != 0 {
				x = y
			}
			*offsetAt(po, lastO-i) = x
			back += takeRight
		}
		if front+back > len(r) || 2*k-front-back > len(l) {
			// less contradicts itself, and some were taken twice: any order is as good
			copy(out[copy(out, left):], right)
			return
		}
		l, r, o = l[k-front:len(l)-(k-back)], r[front:len(r)-back], o[k:len(o)-k]
	}
	copy(o[copy(o, l):], r)
}

// mergePairs halves the number of runs, or brings it down to a power of two: the first runs wait then,
// so that the left one of a pair is not often the larger.
func (s *sorter) mergePairs() {
	n := len(s.runs) - 1
	target := 1 << (bits.Len(uint(n-1)) - 1) // the next power of two below n
	first := 2*target - n
	for i := first; i+2 < len(s.runs); {
		if i += s.mergeSome(s.runs[i:]); s.watch.stopped() {
			return
		}
	}
	n = first
	for i := first; i < len(s.runs); i += 2 {
		s.runs[n] = s.runs[i]
		n++
	}
	s.runs = s.runs[:n]
}

// mergeSome merges as many pairs of the first runs, at least one, as there is scratch memory for at
// once, and returns how many runs those were.
func (s *sorter) mergeSome(runs []uint64) int {
	var at [256]int // where in the scratch memory the left run of a pair goes
	pairs, used := 0, 0
	for ; 2*pairs+2 < len(runs) && pairs < len(at); pairs++ {
		size := int(runs[2*pairs+1] - runs[2*pairs])
		if size > len(s.scratch)-used {
			break
		}
		at[pairs] = used
		used += size
	}
	if pairs == 0 {
		s.mergeLarge(int(runs[0]), int(runs[1]), int(runs[2]))
		return 2
	}
	runTasks(s.workers, (pairs+atOnce-1)/atOnce, func(_, i int) {
		var merges [atOnce]merge
		n := 0
		if s.watch.stopped() {
			return
		}
		for p := i * atOnce; p < min(pairs, (i+1)*atOnce); p++ {
			merges[n] = s.merge(int(runs[2*p]), int(runs[2*p+1]), int(runs[2*p+2]), at[p])
			n++
		}
		s.mergeRuns(merges[:n])
	})
	return 2 * pairs
}

// atOnce is how many merges are under way at once.
const atOnce = 4

// merge is a merge of two neighbouring runs of data, of which the left one was copied to scratch memory.
// The gap before the right one has always just the room of what is left of that.
type merge struct {
	left, leftEnd   int // offsets in the scratch memory
	right, rightEnd int // offsets in the data
}

// merge starts a merge of the runs data[start:mid] and data[mid:end].
func (s *sorter) merge(start, mid, end, at int) merge {
	return merge{at, at + copy(s.scratch[at:], s.data[start:mid]), mid, end}
}

// finish puts what is left of the left run into the gap.
func (s *sorter) finish(m merge) {
	copy(s.data[m.right-(m.leftEnd-m.left):], s.scratch[m.left:m.leftEnd])
}

// mergeRuns makes all merges, a step of each in turn: those are chains of calls, of which none waits
// for another. No branch depends on what less says, since the processor would guess it wrong every
// second time.
//
// The step to the record that is taken may lead from the scratch memory to the data, which checkptr, as
// the race detector has it, does not allow where the data is Go's.
//
//go:nocheckptr
func (s *sorter) mergeRuns(merges []merge) {
	defer func() { // where less panics, for those that are not finished by then
		for _, m := range merges {
			s.finish(m)
		}
	}()
	less := s.less
	pl, pr := startOf(s.scratch), startOf(s.data)
	look, moved := 0, 0
	for len(merges) > 0 {
		if look--; look < 0 {
			if look = lookEvery / atOnce; s.watch.stopped() {
				return
			}
			s.watch.did(moved, shareMerges, s.levels)
			moved = 0
		}
		for i := 0; i < len(merges); i++ {
			m := &merges[i]
			l, r := m.left, m.right
			if l == m.leftEnd || r == m.rightEnd {
				moved += m.leftEnd - l + m.rightEnd - r
				s.finish(*m)
				*m = merges[len(merges)-1]
				merges = merges[:len(merges)-1]
				break
			}
			x, y := unsafe.Add(pl, l), unsafe.Add(pr, r)
			out := unsafe.Add(pr, r-(m.leftEnd-l))
			takeRight := 0
			if less(recordWithin(y, 0), recordWithin(x, 0)) {
				takeRight = 1
			}
			x = unsafe.Add(x, (uintptr(y)-uintptr(x))&-uintptr(takeRight))
			size := frame + recordLen(x, 0)
			copyRecord(out, x, size)
			moved += size
			m.right = r + size&-takeRight
			m.left = l + size&(takeRight-1)
		}
	}
}

// mergeLarge merges the runs data[start:mid] and data[mid:end] where the left one may be larger than
// the scratch memory, the right one then being smaller. The left one is cut in the middle, and the
// right one where the record there would be put; the two inner pieces change places, and two smaller
// merges are left.
func (s *sorter) mergeLarge(start, mid, end int) {
	data, base := s.data, startOf(s.data)
	for start < mid && mid < end && !s.watch.stopped() {
		if mid-start <= len(s.scratch) {
			s.mergeRuns([]merge{s.merge(start, mid, end, 0)})
			return
		}
		cut, next := start, start // the last record that starts in the first half, or the one behind it
		for next <= start+(mid-start)/2 {
			cut = next
			next += frame + recordLen(base, next)
		}
		if next < mid {
			cut = next
		}
		right := mid
		for n := 0; right < end && s.less(recordWithin(base, right), recordWithin(base, cut)); n++ {
			if n%lookEvery == 0 && s.watch.stopped() {
				return
			}
			right += frame + recordLen(base, right)
		}
		moved := right - mid
		copy(s.scratch, data[mid:right])
		copy(data[cut+moved:], data[cut:mid])
		copy(data[cut:], s.scratch[:moved])
		s.mergeLarge(start, cut, cut+moved)
		start, mid = cut+moved, right
		if start+frame+recordLen(base, start) == mid {
			return // one record, none of the right ones is less
		}
	}
}

// runTasks calls task(worker, i) for each i below n, by as many goroutines at once, which have
// ended when it returns. Where one panics or exits, so does runTasks, once the others have come to
// the end of a task.
func runTasks(workers, n int, task func(worker, i int)) {
	workers = min(workers, n)
	if workers <= 1 {
		for i := range n {
			task(0, i)
		}
		return
	}
	var next atomic.Int64
	var failed atomic.Bool
	var wg sync.WaitGroup
	panics := make([]any, workers)
	for w := range workers {
		wg.Add(1)
		go func() {
			done := false
			defer func() {
				if !done {
					panics[w] = recover() // nil after runtime.Goexit
					failed.Store(true)
				}
				wg.Done()
			}()
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					break
				}
				task(w, i)
			}
			done = true
		}()
	}
	wg.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p)
		}
	}
	if failed.Load() {
		runtime.Goexit()
	}
}

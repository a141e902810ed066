package z

import (
	"fmt"
	"iter"

	"github.com/zmem-go/zmem/c"
)

// SliceAllocate appends a record of n bytes and returns them, to be written to. n may be 0.
func (b *Buffer) SliceAllocate(n int) []byte {
	k := b.control()
	if k == nil || n < 0 || uintptr(n)+frame >= k.Cap-k.Len {
		must(b.grow("SliceAllocate", n, frame))
		k = b.ctl
	}
	return addRecord(k, n)
}

// TrySliceAllocate is SliceAllocate, except that it returns nil and the error of TryGrow where there is
// no room.
func (b *Buffer) TrySliceAllocate(n int) ([]byte, error) {
	if err := b.grow("TrySliceAllocate", n, frame); err != nil {
		return nil, err
	}
	return addRecord(b.ctl, n), nil
}

// addRecord appends a record of n bytes for which there is room.
func addRecord(k *c.Buffer, n int) []byte {
	p := at(k.Data, k.Len)
	k.Len += uintptr(n) + frame
	putLE64(p, uint64(n))
	return bytesAt(p, frame+n)[frame:]
}

// WriteSlice appends a record with the bytes of s.
func (b *Buffer) WriteSlice(s []byte) {
	k := b.control()
	if k == nil || uintptr(len(s))+frame >= k.Cap-k.Len {
		must(b.grow("WriteSlice", len(s), frame))
		k = b.ctl
	}
	copy(addRecord(k, len(s)), s)
}

// TryWriteSlice is WriteSlice, except that it appends nothing and returns the error of TryGrow where
// there is no room.
func (b *Buffer) TryWriteSlice(s []byte) error {
	if err := b.grow("TryWriteSlice", len(s), frame); err != nil {
		return err
	}
	copy(addRecord(b.ctl, len(s)), s)
	return nil
}

// Slice returns the record at offset and the offset of the next one, which is -1 after the last. At
// the end of the Buffer, and beyond, there is no record: Slice returns nil and -1. It panics where
// the bytes at offset cannot be a record.
func (b *Buffer) Slice(offset int) (record []byte, next int) {
	k := b.use("Slice")
	off := uintptr(offset)
	if offset >= 0 && off >= k.Len {
		return nil, -1
	}
	if off < k.Start || off > k.Len || !isRecord(k, off) {
		panic(noRecord("Slice", off))
	}
	record = recordAt(k.Data, int(off))
	end := off + frame + uintptr(len(record))
	if end == k.Len {
		return record, -1
	}
	return record, int(end)
}

// isRecord says whether there is a whole record at an offset from k.Start to k.Len. room wraps
// around where it would be negative.
func isRecord(k *c.Buffer, off uintptr) bool {
	room := k.Len - off - frame
	return room <= k.Len && le64(at(k.Data, off)) <= uint64(room)
}

//go:noinline
func noRecord(method string, off uintptr) string {
	return fmt.Sprintf("z: Buffer.%s: no record at offset %d", method, int(off))
}

// SliceIterate calls f with each record in turn, empty ones too, until it returns an error, which
// SliceIterate returns. Records that f appends are visited as well.
func (b *Buffer) SliceIterate(f func(record []byte) error) error {
	if f == nil && b != nil && b.ctl != nil {
		panic("z: Buffer.SliceIterate: nil function")
	}
	return untilError(b.records("SliceIterate"), f)
}

// untilError is apart from SliceIterate, as a call of what is a parameter costs the compiler's
// inliner little: so the loop, and an f that is a literal, come to stand where SliceIterate is called.
func untilError(records iter.Seq[[]byte], f func([]byte) error) (err error) {
	records(func(record []byte) bool {
		err = f(record)
		return err == nil
	})
	return err
}

// SliceOffsets returns the offset of each record, in Go memory; none for an empty Buffer.
func (b *Buffer) SliceOffsets() []int {
	var offsets []int
	for off := range b.all("SliceOffsets") {
		offsets = append(offsets, off)
	}
	return offsets
}

// All iterates over the records and their offsets. Those that the loop appends are visited as well.
func (b *Buffer) All() iter.Seq2[int, []byte] { return b.all("All") }

func (b *Buffer) all(method string) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		k := b.use(method)
		for off := k.Start; off < k.Len; k = b.use(method) {
			if !isRecord(k, off) {
				panic(noRecord(method, off))
			}
			record := recordAt(k.Data, int(off))
			at := int(off)
			off += frame + uintptr(len(record))
			if !yield(at, record) {
				return
			}
		}
	}
}

// Records iterates over the records, as All does.
func (b *Buffer) Records() iter.Seq[[]byte] { return b.records("Records") }

func (b *Buffer) records(method string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, record := range b.all(method) {
			if !yield(record) {
				return
			}
		}
	}
}

package z

import (
	"fmt"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// Buffer is bytes, or records, appended one after another in manual memory: from 64 bytes to beyond
// what fits into memory.
//
//	b := z.NewBuffer(0).WithAutoMmap(1<<30, "/var/tmp") // past 1 GiB it moves to a file
//	defer b.Release()
//
// It starts on the heap of the C allocator, becomes an anonymous mapping, which grows without being
// copied, and then, where WithAutoMmap asked for that, a mapping of a temporary file. It grows by
// doubling, by at most 1 GiB a time.
//
// Offsets are in bytes. The first 8 bytes are reserved, so that no offset is 0: bytes and records
// start at StartOffset, and LenWithPadding is the offset of what is appended next. A Buffer holds
// either plain bytes (Write, Allocate and the like) or records (WriteSlice, SliceAllocate), each of
// which has its length, 8 bytes, in front of it; mixed, records are not found again.
//
// Slices of a Buffer's memory have no spare capacity. They are valid until the Buffer grows, which
// may move it, until Release and, for one of NewBufferPersistent, until it is sorted; after Reset they
// are written over. Offsets stay valid until Reset. Fresh bytes are zero; those that a Reset freed are what they were.
//
// A Buffer is for one goroutine at a time. Any number may read it as long as none changes it. Who
// makes one calls Release. NumAllocBytes counts the heap and anonymous mappings, and a control
// block of 96 bytes for each Buffer; what is in a file is counted by NumFileBytes, since the system
// writes that out when memory is short.
//
// Methods that return no error panic where there is no memory, a limit is reached or the disk is
// full, with the error that TryGrow would have returned; the Buffer is as it was then. They also
// panic, as do all but Release, on a Buffer that was released, on nil and on a Buffer{}, and where n
// is negative or an offset is not in the Buffer. Each panic names the call, as in "z: Buffer.Grow: use
// after Release, or before NewBuffer".
type Buffer struct {
	ctl  *c.Buffer // in C memory, but for a view; nil before it is made and after Release
	path string    // of its file or of the folder for temporary ones, for errors
	tag  string
}

// NewBuffer makes a Buffer with room for capacity bytes, the 8 reserved ones included, and for 64
// at least. A tag names it in the reports of the leak tag; only the first is used. It panics as
// Calloc does.
func NewBuffer(capacity int, tag ...string) *Buffer {
	n := size("NewBuffer", capacity)
	var k *c.Buffer
	if err := retry(capacity, func() (err c.Err) {
		k, err = c.NewBuffer(n)
		return err
	}); err != c.OK {
		panic(noMemory(capacity, err))
	}
	attribute(k, tag)
	b := &Buffer{ctl: k, tag: tagOf(tag)}
	b.sample()
	watchRelease(b, k, "Buffer", held)
	return b
}

// held is the bytes of memory or file that a Buffer has.
func held(k *c.Buffer) uint64 { return uint64(k.Size) }

// NewBufferSlice makes a Buffer of the bytes of s, which may be Go memory and stay the caller's: to
// read the records of another Buffer's Bytes, say. It cannot grow, nothing of it is reserved
// (StartOffset is 0), and Release leaves s alone.
func NewBufferSlice(s []byte) *Buffer {
	n := uintptr(len(s))
	return &Buffer{ctl: &c.Buffer{Data: startOf(s), Len: n, Cap: n, Kind: c.BufferView}}
}

// WithMaxSize bounds the memory that the Buffer may grow to, in bytes, the 8 reserved ones
// included, and returns the Buffer: beyond it is ErrLimit. Mappings end at a whole page, and while
// the Buffer moves from one kind of memory to the next it has both. 0 is no bound. What the Buffer
// has already it keeps.
func (b *Buffer) WithMaxSize(max int) *Buffer {
	k := b.use("WithMaxSize")
	n := size("Buffer.WithMaxSize", max)
	if k.Kind != c.BufferView {
		k.SetMax(n)
	}
	return b
}

// IsEmpty says whether nothing was appended since the Buffer was made or reset.
func (b *Buffer) IsEmpty() bool {
	k := b.use("IsEmpty")
	return k.Len == k.Start
}

// LenNoPadding is the number of bytes that were appended, the lengths of records included.
func (b *Buffer) LenNoPadding() int {
	k := b.use("LenNoPadding")
	return int(k.Len - k.Start)
}

// LenWithPadding is LenNoPadding and the reserved bytes: the offset of what is appended next.
func (b *Buffer) LenWithPadding() int { return int(b.use("LenWithPadding").Len) }

// StartOffset is the offset of the first byte or record: 8, or 0 where NewBufferSlice made the
// Buffer.
func (b *Buffer) StartOffset() int { return int(b.use("StartOffset").Start) }

// Bytes is all that was appended.
func (b *Buffer) Bytes() []byte {
	k := b.use("Bytes")
	return bytesAt(at(k.Data, k.Start), int(k.Len-k.Start))
}

// Data is the memory from offset to the end of what the Buffer has, beyond LenWithPadding.
func (b *Buffer) Data(offset int) []byte {
	k := b.use("Data")
	if uintptr(offset) > k.Cap {
		panic(fmt.Sprintf("z: Buffer.Data: offset %d is not within %d bytes", offset, k.Cap))
	}
	return bytesAt(k.Data, int(k.Cap))[offset:]
}

// Grow makes room for n bytes more, so that appending them does not move the Buffer.
func (b *Buffer) Grow(n int) { must(b.grow("Grow", n, 0)) }

// TryGrow is Grow, except that it returns an error where there is no room: one that is
// ErrOutOfMemory or ErrLimit, or a *fs.PathError (as errors.As finds it) with the system call and
// the file or folder concerned.
func (b *Buffer) TryGrow(n int) error { return b.grow("TryGrow", n, 0) }

// Allocate appends n bytes and returns them, to be written to. They are not aligned.
func (b *Buffer) Allocate(n int) []byte {
	k := b.control()
	if k == nil || uintptr(n) >= k.Cap-k.Len {
		must(b.grow("Allocate", n, 0))
		k = b.ctl
	}
	off := k.Len
	k.Len = off + uintptr(n)
	return bytesAt(at(k.Data, off), n)
}

// AllocateOffset appends n bytes and returns the offset of the first.
func (b *Buffer) AllocateOffset(n int) int {
	k := b.control()
	if k == nil || uintptr(n) >= k.Cap-k.Len {
		must(b.grow("AllocateOffset", n, 0))
		k = b.ctl
	}
	off := k.Len
	k.Len = off + uintptr(n)
	return int(off)
}

// TryAllocate is Allocate, except that it returns nil and the error of TryGrow where there is no room.
func (b *Buffer) TryAllocate(n int) ([]byte, error) {
	if err := b.grow("TryAllocate", n, 0); err != nil {
		return nil, err
	}
	return b.Allocate(n), nil
}

// TryAllocateOffset is AllocateOffset, except that it returns 0, which is no offset of bytes that were
// appended, and the error of TryGrow where there is no room.
func (b *Buffer) TryAllocateOffset(n int) (int, error) {
	if err := b.grow("TryAllocateOffset", n, 0); err != nil {
		return 0, err
	}
	return b.AllocateOffset(n), nil
}

// Reset empties the Buffer, which keeps its memory; what is appended next goes where the first
// bytes were. For one of NewBufferPersistent that is a commit, of no bytes.
func (b *Buffer) Reset() {
	k := b.use("Reset")
	if k.Kind == c.BufferFile {
		k.Reset()
		return
	}
	k.Len = k.Start
	k.Cap = min(k.Size, k.Max)
}

// Release frees the Buffer; a second Release, and one of a nil *Buffer, do nothing. For one of
// NewBufferPersistent it is Sync, whose error it returns, and gives the room that was not used back
// to the disk. There is no other error.
func (b *Buffer) Release() error {
	if b == nil || b.ctl == nil {
		return nil
	}
	k := b.ctl
	b.ctl = nil
	if k.Kind == c.BufferView {
		return nil
	}
	released(k)
	var cause c.Cause
	err := k.Release(&cause)
	noteFree()
	return b.failed("Release", err, &cause)
}

// use is the control block for the method of that name, unless the Buffer was released.
func (b *Buffer) use(method string) *c.Buffer {
	if b == nil || b.ctl == nil {
		unusable(method)
	}
	return b.ctl
}

// control is the control block, or nil, for fast paths, which leave it to grow to say why.
func (b *Buffer) control() *c.Buffer {
	if b == nil {
		return nil
	}
	return b.ctl
}

func unusable(method string) {
	panic("z: Buffer." + method + ": use after Release, or before NewBuffer")
}

// grow makes room for n bytes, and for more, which is 0 or 8, beside them.
//
//go:noinline
func (b *Buffer) grow(method string, n int, more uintptr) error {
	k := b.use(method)
	need := size("Buffer."+method, n)
	if k.Kind == c.BufferView {
		return fmt.Errorf("z: Buffer.%s: a Buffer of NewBufferSlice is to be read: %w", method, ErrLimit)
	}
	if need+more <= k.Cap-k.Len {
		return nil
	}
	var cause c.Cause
	var err c.Err
	own := need+more > k.Max-min(k.Len, k.Max) // the limit that it would pass is its own
	if own {
		err = k.Grow(need+more, &cause)
	} else {
		err = retry(int(k.Len+need+more-k.Size), func() c.Err { return k.Grow(need+more, &cause) })
	}
	if err == c.OK {
		b.sample() // C has forgotten what it had before
	}
	if err == c.ELIMIT && own {
		return fmt.Errorf("z: Buffer.%s: %d bytes beside %d: %w, %d", method, n, k.Len,
			ErrLimit, k.Max)
	}
	if err == c.ENOMEM {
		return fmt.Errorf("z: Buffer.%s: %d bytes beside %d: %w", method, n, k.Len, ErrOutOfMemory)
	}
	return b.failed(method, err, &cause)
}

// sample has the profile see the Buffer's memory, which is new, unless that is a file.
func (b *Buffer) sample() {
	if k := b.ctl; k.Kind == c.BufferHeap || k.Kind == c.BufferAnon {
		sampleAdded(k.Data, k.Size, b.tag)
	}
}

// failed is the error of a method in words; nil for c.OK.
func (b *Buffer) failed(method string, err c.Err, cause *c.Cause) error {
	return fileError("Buffer."+method, b.path, err, cause)
}

// size is n, unless it is negative.
func size(call string, n int) uintptr {
	if n < 0 {
		panic(fmt.Sprintf("z: %s: negative size %d", call, n))
	}
	return uintptr(n)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// scratch is memory for n bytes of the same kind as the Buffer's own, and what gives it back: from
// a temporary file of its own where the Buffer is in a file.
func (b *Buffer) scratch(method string, n int) ([]byte, func(), error) {
	k := b.use(method)
	if k.Kind == c.BufferView {
		k = nil
	}
	var cause c.Cause
	var p unsafe.Pointer
	if err := retry(n, func() (err c.Err) {
		p, err = k.Scratch(uintptr(n), &cause)
		return err
	}); err != c.OK {
		return nil, nil, b.failed(method, err, &cause)
	}
	if k == nil || k.Kind < c.BufferTmp {
		sampleAdded(p, uintptr(n), b.tag)
	}
	return bytesAt(p, n), func() {
		k.ScratchFree(p, uintptr(n))
		noteFree()
	}, nil
}

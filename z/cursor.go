package z

import (
	"fmt"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// Cursor allocates from an Allocator for one goroutine at a time, at a fraction of its price, since
// it needs no atomic operation: it holds a piece of the Allocator's memory, and takes another when
// that is used up. Take one for a goroutine that allocates much, and Close it when that is done.
//
// What it allocates belongs to the Allocator and lives as long as what that allocates itself. Bad
// sizes and a lack of memory are met with the same panics. The Cursor of a nil Allocator allocates
// from the Go heap.
type Cursor struct {
	base       unsafe.Pointer // of its memory, which is allocated from its end
	left       int            // bytes that are free; -1 after Close, and after the Allocator's Release
	a          *Allocator     // nil: the Go heap
	next, prev *Cursor        // in the Allocator's list
}

// Cursor makes a Cursor, which the caller is to Close. Release ends those that are still open; Reset
// and TrimTo take their memory, and leave them open.
func (a *Allocator) Cursor() *Cursor {
	k := &Cursor{base: unsafe.Pointer(&none), a: a}
	if a == nil {
		return k
	}
	a.mustCore("Allocator.Cursor")
	a.mu.Lock()
	defer a.mu.Unlock()
	k.next = a.cursors
	if k.next != nil {
		k.next.prev = k
	}
	a.cursors = k
	return k
}

// Close gives what the Cursor has left back to its Allocator. Any later allocation from it panics, as
// does one from a nil *Cursor, with the call's name: "z: Cursor.Allocate: use after Close". (Only
// Allocate of nil is a nil dereference, as its nil check would keep it from being inlined.) A second
// Close, and one of a nil *Cursor, do nothing.
func (k *Cursor) Close() {
	if k == nil || k.left < 0 {
		return
	}
	left := k.left
	k.left = -1
	a := k.a
	if a == nil {
		return
	}
	core := c.Cursor{Allocator: a.mustCore("Cursor.Close"), Base: k.base, Left: left}
	core.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	if k.next != nil {
		k.next.prev = k.prev
	}
	if k.prev != nil {
		k.prev.next = k.next
	} else {
		a.cursors = k.next
	}
}

// undo is the rest of Allocate where there was too little left, or n is negative.
//
//go:noinline
func (k *Cursor) undo(n int) []byte {
	k.left += n
	return bytesAt(k.allocateRest(cursorAllocate, n, 1), n)
}

// AllocateAligned is Allocator.AllocateAligned.
func (k *Cursor) AllocateAligned(n int) []byte {
	if p := k.take8(n); p != nil {
		return bytesAt(p, n)
	}
	return bytesAt(k.allocateRest(cursorAllocateAligned, n, 8), n)
}

// take8 takes n bytes, aligned to 8, from what is left; nil where that is too little.
func (k *Cursor) take8(n int) unsafe.Pointer {
	if k == nil {
		return nil
	}
	left := (k.left - n) &^ 7
	if left|n < 0 {
		return nil
	}
	k.left = left
	return unsafe.Add(k.base, left)
}

// AllocateAlign is Allocator.AllocateAlign.
func (k *Cursor) AllocateAlign(n, align int) []byte {
	checkAlign(cursorAllocateAlign, align)
	return bytesAt(k.allocateRest(cursorAllocateAlign, n, max(align, 8)), n)
}

// Copy is Allocator.Copy.
func (k *Cursor) Copy(b []byte) []byte {
	var p unsafe.Pointer
	if n := len(b); k != nil && n <= k.left {
		k.left -= n
		p = unsafe.Add(k.base, k.left)
	} else {
		p = k.allocateRest(cursorCopy, n, 1)
	}
	out := bytesAt(p, len(b))
	copy(out, b)
	return out
}

// MaxAlloc is Allocator.MaxAlloc.
func (k *Cursor) MaxAlloc() int { return maxAlloc }

// allocateRest does it in C, with any size and alignment.
//
//go:noinline
func (k *Cursor) allocateRest(f call, n, align int) unsafe.Pointer {
	if k == nil {
		panic(fmt.Sprintf("z: %s: nil Cursor", f))
	}
	if k.a != nil {
		k.a.mustCore(f.String())
	}
	if k.left < 0 {
		panic(fmt.Sprintf("z: %s: use after Close", f))
	}
	if k.a == nil {
		return heapAllocate(f, n, max(align, 8))
	}
	checkSize(f.String(), n, maxAlloc)
	if n == 0 {
		return unsafe.Pointer(&none)
	}
	core := c.Cursor{Allocator: k.a.mustCore(f.String()), Base: k.base, Left: k.left}
	var p unsafe.Pointer
	if err := retry(n, func() (err c.Err) {
		p, err = core.TryAllocate(uintptr(n), uintptr(align))
		return err
	}); err != c.OK {
		panic(noMemory(n, err))
	}
	k.a.sampleGrown(core.Allocator)
	k.base, k.left = core.Base, core.Left
	return p
}

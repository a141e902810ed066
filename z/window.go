package z

import (
	"sync/atomic"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// A window is a piece of an Allocator's chunk (see c/allocator.c) from which goroutines take blocks of
// up to 2 KiB by moving its counter, without a lock.
//
// Most windows are owned, by a block of stack. A goroutine that runs there moves the counter without
// an atomic: nobody else runs on its stack, and nothing takes it off in between, as the functions
// that do so are nosplit, all along, and call nothing. The compiler leaves out the places where
// the runtime may preempt from such functions, which are there for "times when it is unsafe for
// the calling goroutine to be preempted" (go doc compile); TestNosplit_IsNotPreempted has an eye on
// that. If the goroutine moves to another stack, it uses other windows. Whoever gets the stack then may
// use the one that the block owns.
//
// Where two blocks of stack want the same slot, the one that comes second adds to a shared window,
// by an atomic.

// windows are the slots for an Allocator's windows. Their zero value has none.
type windows [c.NumWindows]struct {
	owner  uintptr        // the block of stack that own belongs to; 0: nobody wanted one yet
	own    unsafe.Pointer // *c.Window
	shared unsafe.Pointer // *c.Window, nil as long as nobody needed one
}

// take takes n bytes, at least 1, from the window that the block of stack owns, if there are so many.
// The caller is nosplit, has just asked for stackBlock, and has not called anything since.
//
//go:nosplit
//go:nocheckptr
func (ws *windows) take(n, block uintptr) (p unsafe.Pointer, ok bool) {
	slot := &ws[block%c.NumWindows]
	if atomic.LoadUintptr(&slot.owner) != block {
		return nil, false
	}
	w := (*c.Window)(atomic.LoadPointer(&slot.own))
	used := w.Used
	end := used + uint64(roundUp8(n))
	if end > w.Size {
		return nil, false
	}
	w.Used = end
	return unsafe.Add(unsafe.Pointer(w), used), true
}

// takeAligned is take for any alignment.
//
//go:nosplit
//go:nocheckptr
func (ws *windows) takeAligned(n, align, block uintptr) (p unsafe.Pointer, ok bool) {
	slot := &ws[block%c.NumWindows]
	if atomic.LoadUintptr(&slot.owner) != block {
		return nil, false
	}
	w := (*c.Window)(atomic.LoadPointer(&slot.own))
	p = unsafe.Add(unsafe.Pointer(w), w.Used)
	pad := padding(p, align)
	end := w.Used + uint64(pad+roundUp8(n))
	if end > w.Size {
		return nil, false
	}
	w.Used = end
	return unsafe.Add(p, pad), true
}

// takeShared takes n bytes from the slot's shared window, for which another block owns the slot.
func (ws *windows) takeShared(n, block uintptr) (p unsafe.Pointer, ok bool) {
	slot := &ws[block%c.NumWindows]
	w := (*c.Window)(atomic.LoadPointer(&slot.shared))
	if w == nil || atomic.LoadUintptr(&slot.owner) == block {
		return nil, false
	}
	size := uint64(roundUp8(n))
	end := atomic.AddUint64(&w.Used, size)
	return unsafe.Add(unsafe.Pointer(w), end-size), end <= w.Size
}

// refill allocates n bytes from a new window of core's, for the block of stack or to be shared. Only
// one goroutine may be in here.
func (ws *windows) refill(core *c.Allocator, n, block uintptr) unsafe.Pointer {
	slot := &ws[block%c.NumWindows]
	if slot.owner != 0 && slot.owner != block {
		p, w := core.Refill((*c.Window)(slot.shared), n)
		atomic.StorePointer(&slot.shared, unsafe.Pointer(w))
		return p
	}
	p, w := core.Refill(nil, n)
	if w != nil {
		atomic.StorePointer(&slot.own, unsafe.Pointer(w))
		atomic.StoreUintptr(&slot.owner, block)
	}
	return p
}

// end takes all windows away.
func (ws *windows) end() {
	for i := range ws {
		atomic.StoreUintptr(&ws[i].owner, 0)
		atomic.StorePointer(&ws[i].own, nil)
		atomic.StorePointer(&ws[i].shared, nil)
	}
}

// left is how many bytes of the windows nobody took yet.
func (ws *windows) left() (n uint64) {
	for i := range ws {
		for _, at := range []*unsafe.Pointer{&ws[i].own, &ws[i].shared} {
			if w := (*c.Window)(atomic.LoadPointer(at)); w != nil {
				used := atomic.LoadUint64(&w.Used)
				n += w.Size - min(used, w.Size)
			}
		}
	}
	return n
}

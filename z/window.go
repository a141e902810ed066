package z

import (
	"sync/atomic"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// A window is a piece of an Allocator's chunk (see c/allocator.c) from which goroutines take blocks of
// up to 2 KiB by moving its counter, without a lock.
//
// Small windows are shared: their counters are moved by an atomic. The block of stack from which the
// first allocation comes, and those from which many come, own larger ones, whose counters are moved
// plainly by who runs there. A goroutine has its stack to itself, even while it is preempted, and
// stacks are moved only in calls (TestStack_MovesOnlyInCalls): where a function that is not nosplit
// begins, or where a goroutine waits. So the functions that move such a counter are nosplit, and call
// nothing that is not. A goroutine whose stack was moved uses other windows, and whoever gets the block
// of stack then its windows.

const (
	sharedWindows = 4
	sharedSize    = 8 << 10  // bytes of a shared window
	ownSize       = 64 << 10 // and of one that is owned, at most

	// idleRefills is how many shared windows others use up, while an owner allocates nothing, before one
	// of them takes its place. What it had left is lost until Reset.
	idleRefills = ownSize / sharedSize
)

// windows are an Allocator's windows. Their zero value has none.
type windows struct {
	claims [c.NumWindows]unsafe.Pointer // *claim, by the hash of the block of stack
	shared [sharedWindows]unsafe.Pointer
	last   [sharedWindows]uintptr // the block of stack that asked for the shared window
	owned  bool                   // there is a claim
}

// claim is a block of stack that owns windows.
type claim struct {
	owner  uintptr        // never changes
	window unsafe.Pointer // *c.Window, for blocks of that block of stack
	used   uint64         // of the window, when another block of stack wanted the place
	idle   int            // how often it was the same
}

func (cl *claim) current() *c.Window { return (*c.Window)(atomic.LoadPointer(&cl.window)) }

// slotOf is a block of stack's place in claims.
//
//go:nosplit
func slotOf(block uintptr) uint32 { return uint32(block) * 0x9e3779b1 >> (32 - c.WindowBits) }

// take takes n bytes, at least 1, from the window that the block of stack owns, if there are so many.
// The caller is nosplit, has just asked for stackBlock, and has not called anything since. (What take
// has in common with takeAligned stands in both: with a function for it, neither is inlined any more,
// and a block takes a quarter longer.)
//
//go:nosplit
//go:nocheckptr
func (ws *windows) take(n, block uintptr) (p unsafe.Pointer, ok bool) {
	cl := (*claim)(atomic.LoadPointer(&ws.claims[slotOf(block)]))
	if cl == nil || cl.owner != block {
		return nil, false
	}
	w := (*c.Window)(atomic.LoadPointer(&cl.window))
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
	cl := (*claim)(atomic.LoadPointer(&ws.claims[slotOf(block)]))
	if cl == nil || cl.owner != block {
		return nil, false
	}
	w := (*c.Window)(atomic.LoadPointer(&cl.window))
	p = unsafe.Add(unsafe.Pointer(w), w.Used)
	pad := padding(p, align)
	end := w.Used + uint64(pad+roundUp8(n))
	if end > w.Size {
		return nil, false
	}
	w.Used = end
	return unsafe.Add(p, pad), true
}

// takeShared takes n bytes from a shared window, for a block of stack that does not own one.
func (ws *windows) takeShared(n, block uintptr) (p unsafe.Pointer, ok bool) {
	slot := slotOf(block)
	w := (*c.Window)(atomic.LoadPointer(&ws.shared[slot%sharedWindows]))
	cl := (*claim)(atomic.LoadPointer(&ws.claims[slot]))
	if w == nil || cl != nil && cl.owner == block {
		return nil, false
	}
	size := uint64(roundUp8(n))
	end := atomic.AddUint64(&w.Used, size)
	return unsafe.Add(unsafe.Pointer(w), end-size), end <= w.Size
}

// refill allocates n bytes from a new window of core's: of the block of stack's own if it owns one
// already, is the first one here, or is the one that used up the last shared window, too, and its
// place is free, or the owner there idle. Only one goroutine may be in here.
func (ws *windows) refill(core *c.Allocator, n, block uintptr) (unsafe.Pointer, c.Err) {
	slot := slotOf(block)
	cl := (*claim)(ws.claims[slot])
	if cl != nil && cl.owner == block {
		p, w, err := core.Refill(nil, n, ownSize)
		if w != nil {
			atomic.StorePointer(&cl.window, unsafe.Pointer(w))
		}
		return p, err
	}
	shared, last := &ws.shared[slot%sharedWindows], &ws.last[slot%sharedWindows]
	if !ws.owned || *last == block && (cl == nil || cl.isIdle()) {
		p, w, err := core.Refill(nil, n, ownSize)
		if w != nil {
			ws.owned = true
			atomic.StorePointer(&ws.claims[slot], unsafe.Pointer(&claim{owner: block, window: unsafe.Pointer(w)}))
		}
		return p, err
	}
	*last = block
	p, w, err := core.Refill((*c.Window)(*shared), n, sharedSize)
	atomic.StorePointer(shared, unsafe.Pointer(w))
	return p, err
}

// isIdle says whether the owner has allocated nothing for a while, of calls of isIdle.
func (cl *claim) isIdle() bool {
	if used := atomic.LoadUint64(&cl.current().Used); used != cl.used {
		cl.used, cl.idle = used, 0
	}
	cl.idle++
	return cl.idle > idleRefills
}

// noWindow is full.
var noWindow c.Window

// end takes all windows away. Who had windows of its own will have new ones.
func (ws *windows) end() {
	for i := range ws.claims {
		if cl := (*claim)(atomic.LoadPointer(&ws.claims[i])); cl != nil {
			atomic.StorePointer(&cl.window, unsafe.Pointer(&noWindow))
		}
	}
	for i := range ws.shared {
		atomic.StorePointer(&ws.shared[i], nil)
	}
}

// left is how many bytes of the windows nobody took yet.
func (ws *windows) left() (n uint64) {
	add := func(w *c.Window) {
		if w != nil {
			used := atomic.LoadUint64(&w.Used)
			n += w.Size - min(used, w.Size)
		}
	}
	for i := range ws.claims {
		if cl := (*claim)(atomic.LoadPointer(&ws.claims[i])); cl != nil {
			add(cl.current())
		}
	}
	for i := range ws.shared {
		add((*c.Window)(atomic.LoadPointer(&ws.shared[i])))
	}
	return n
}

//go:build zmem_check

package z

import (
	"fmt"
	"sync/atomic"

	"github.com/zmem-go/zmem/c"
)

// The check build verifies, in C and here, what comments say always holds; see zm_internal.h. What is
// not so in C ends the program with a line on stderr; what is not so in Go panics.

// verify panics with what is wrong, in words, unless holds.
func verify(holds bool, format string, args ...any) {
	if !holds {
		panic("z: check: " + fmt.Sprintf(format, args...))
	}
}

// check verifies an Allocator's windows. Its mu is held, or nobody else has it.
func (ws *windows) check(core *c.Allocator) {
	seen := map[*c.Window]string{}
	look := func(w *c.Window, whose string) {
		verify(seen[w] == "", "window %p is %s and %s", w, seen[w], whose)
		seen[w] = whose
		core.CheckWindow(w)
	}
	verify(noWindow == c.Window{}, "noWindow was written to: used %d, size %d", noWindow.Used, noWindow.Size)
	for i := range ws.claims {
		cl := (*claim)(atomic.LoadPointer(&ws.claims[i]))
		if cl == nil {
			continue
		}
		verify(ws.owned, "claim %d of windows that nobody owns", i)
		verify(slotOf(cl.owner) == uint32(i), "block of stack %#x has claim %d, not %d", cl.owner, i, slotOf(cl.owner))
		verify(cl.idle >= 0 && cl.idle <= idleRefills+1, "claim %d: idle %d", i, cl.idle)
		w := cl.current()
		verify(w != nil, "claim %d has no window", i)
		if w != &noWindow {
			used := atomic.LoadUint64(&w.Used)
			verify(used <= w.Size, "window %p of claim %d: used %d of %d", w, i, used, w.Size)
			look(w, fmt.Sprintf("claim %d's", i))
		}
	}
	for i := range ws.shared {
		if w := (*c.Window)(atomic.LoadPointer(&ws.shared[i])); w != nil {
			look(w, fmt.Sprintf("shared window %d", i))
		}
	}
}

// checkCursors verifies the list of cursors. The Allocator's mu is held.
func (a *Allocator) checkCursors() {
	for k, prev := a.cursors, (*Cursor)(nil); k != nil; k, prev = k.next, k {
		verify(k.a == a, "Cursor %p is in the list of another Allocator", k)
		verify(k.prev == prev, "Cursor %p: prev is %p, not %p", k, k.prev, prev)
	}
}

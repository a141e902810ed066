//go:build zmem_check

package z

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

var sprintf = fmt.Sprintf

// wantBroken fails the test unless f panics with what a check says.
func wantBroken(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		if got, _ := recover().(string); got != want {
			t.Errorf("panic %q, want %q", got, want)
		}
	}()
	f()
}

// Each invariant of an Allocator's windows and cursors is seen when it is broken.
func TestCheck_Windows(t *testing.T) {
	a := NewAllocator(1 << 20)
	defer a.Release()
	a.Allocate(8)
	core, ws := a.mustCore("test"), &a.windows
	var at int
	for ws.claims[at] == nil {
		at++
	}
	cl := (*claim)(ws.claims[at])
	w := cl.current()
	a.Cursor()
	a.Cursor()
	for _, broken := range []struct {
		want  string
		field *uint64
		value uint64
	}{
		{"z: check: noWindow was written to: used 8, size 0", &noWindow.Used, 8},
		{sprintf("z: check: window %p of claim %d: used %d of %d", w, at, w.Size+8, w.Size), &w.Used, w.Size + 8},
	} {
		old := *broken.field
		*broken.field = broken.value
		wantBroken(t, broken.want, func() { ws.check(core) })
		*broken.field = old
	}

	ws.owned = false
	wantBroken(t, sprintf("z: check: claim %d of windows that nobody owns", at), func() { ws.check(core) })
	ws.owned = true

	cl.idle = -1
	wantBroken(t, sprintf("z: check: claim %d: idle -1", at), func() { ws.check(core) })
	cl.idle = 0

	cl.window = nil
	wantBroken(t, sprintf("z: check: claim %d has no window", at), func() { ws.check(core) })
	cl.window = unsafe.Pointer(w)

	ws.shared[2] = unsafe.Pointer(w)
	wantBroken(t, sprintf("z: check: window %p is claim %d's and shared window 2", w, at), func() { ws.check(core) })
	ws.shared[2] = nil

	other := (at + 1) % len(ws.claims)
	ws.claims[at], ws.claims[other] = nil, ws.claims[at]
	wantBroken(t, sprintf("z: check: block of stack %#x has claim %d, not %d", cl.owner, other, at), func() { ws.check(core) })
	ws.claims[at], ws.claims[other] = ws.claims[other], nil

	first := a.cursors
	first.next.prev = nil
	wantBroken(t, sprintf("z: check: Cursor %p: prev is %p, not %p", first.next, (*Cursor)(nil), first), a.checkCursors)
	first.next.prev = first
	first.a = nil
	wantBroken(t, sprintf("z: check: Cursor %p is in the list of another Allocator", first), a.checkCursors)
	first.a = a
	ws.check(core)
}

// After the work of many goroutines nothing is found, and Go's windows are the core's.
func TestCheck_Goroutines(t *testing.T) {
	a := NewAllocator(1 << 16)
	defer a.Release()
	var wg sync.WaitGroup
	var n atomic.Int64
	for g := range 16 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := a.Cursor()
			defer k.Close()
			for i := range 3000 {
				b := Calloc(1 + (i*37+g)%2000)
				a.Allocate(1 + i%300)
				k.Allocate(1 + i%50)
				n.Add(1)
				Free(b)
			}
		}()
	}
	wg.Wait()
	a.windows.check(a.mustCore("test"))
	a.Reset()
	ReturnMemory()
	c.DepotTrim(true)
	if n.Load() != 16*3000 {
		t.Errorf("%d allocations", n.Load())
	}
}

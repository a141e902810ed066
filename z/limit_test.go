package z_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// underLimit runs the test with room for n bytes beyond what is held, in which caches hold nothing.
func underLimit(t *testing.T, n int64) {
	t.Helper()
	if err := z.ReturnMemory(); err != nil {
		t.Fatal(err)
	}
	if before := z.SetLimit(z.NumHeldBytes() + n); before != math.MaxInt64 {
		t.Errorf("the limit was %d", before)
	}
	t.Cleanup(func() { z.SetLimit(math.MaxInt64) })
}

func wantErrLimit(t *testing.T, what string, v any) {
	t.Helper()
	err, _ := v.(error)
	if !errors.Is(err, z.ErrLimit) || !errors.Is(err, z.ErrOutOfMemory) {
		t.Errorf("%s: %v, want ErrLimit", what, v)
	}
}

func TestSetLimit_AsksAndSets(t *testing.T) {
	if got := z.SetLimit(-1); got != math.MaxInt64 {
		t.Errorf("at first: %d", got)
	}
	z.SetLimit(1 << 40)
	if got := z.SetLimit(math.MaxInt64); got != 1<<40 {
		t.Errorf("SetLimit returned %d", got)
	}
}

func TestSetLimit_EveryCallFails(t *testing.T) {
	start := liveNow()
	underLimit(t, 1<<20)
	b, err := z.TryCalloc(1 << 20) // all there is
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 32, 4096, 64 << 10, 64<<10 + 1, 10 << 20} {
		got, err := z.TryCalloc(n)
		if got != nil {
			t.Errorf("TryCalloc(%d) gave something", n)
		}
		wantErrLimit(t, "TryCalloc", err)
		wantErrLimit(t, "Calloc", panicOf(func() { z.Calloc(n) }))
		wantErrLimit(t, "CallocNoRef", panicOf(func() { z.CallocNoRef(n) }))
		wantErrLimit(t, "CallocAligned", panicOf(func() { z.CallocAligned(n, 64) }))
	}
	if got := z.Calloc(0); len(got) != 0 || got == nil {
		t.Error("Calloc(0) is refused")
	}
	_, err = z.TryCalloc(1)
	if want := "z: allocating 1 bytes: out of memory: beyond the limit"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	z.Free(b)
	wantLive(t, start)
	z.Free(z.Calloc(1 << 19)) // there is room again
	if _, err := z.TryCalloc(z.MaxArrayLen + 1); !errors.Is(err, z.ErrOutOfMemory) || errors.Is(err, z.ErrLimit) {
		t.Errorf("more than any machine has: %v", err)
	}
}

// Small blocks get to the limit and not beyond, though magazines hold more than a block.
func TestSetLimit_SmallBlocksFillIt(t *testing.T) {
	const room = 1 << 20
	underLimit(t, room)
	var blocks [][]byte
	for {
		b, err := z.TryCalloc(64)
		if err != nil {
			wantErrLimit(t, "TryCalloc", err)
			break
		}
		blocks = append(blocks, b)
	}
	if got := 64 * len(blocks); got > room || got < room-room/10 {
		t.Errorf("%d bytes in blocks of 64 under a limit of %d", got, room)
	}
	for _, b := range blocks {
		z.Free(b)
	}
}

func TestSetLimit_ManyGoroutines(t *testing.T) {
	start := liveNow()
	underLimit(t, 4<<20)
	limit := z.SetLimit(-1)
	var refused, over atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			live := make([][]byte, 64)
			for i := range 10_000 {
				j := i * 31 % len(live)
				z.Free(live[j])
				var err error
				if live[j], err = z.TryCalloc(1 + (i*g*7919)%(100<<10)); errors.Is(err, z.ErrLimit) {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
				if z.NumHeldBytes() > limit {
					over.Add(1)
				}
			}
			for _, b := range live {
				z.Free(b)
			}
		}()
	}
	wg.Wait()
	if refused.Load() == 0 || over.Load() > 0 {
		t.Errorf("%d refused, %d times above the limit", refused.Load(), over.Load())
	}
	wantLive(t, start)
}

func TestNumHeldBytes_IsWhatIsHeld(t *testing.T) {
	if err := z.ReturnMemory(); err != nil {
		t.Fatal(err)
	}
	before := z.NumHeldBytes()
	b, small := z.Calloc(1<<20), z.Calloc(100)
	if got := z.NumHeldBytes() - before; got < 1<<20+112 || got > 1<<20+64<<10 {
		t.Errorf("%d bytes more are held", got)
	}
	z.Free(small)
	z.Free(b)
	if err := z.ReturnMemory(); err != nil {
		t.Fatal(err)
	}
	if got := z.NumHeldBytes(); got != before {
		t.Errorf("%d bytes are held after ReturnMemory, %d before", got, before)
	}
}

// Buffers and Allocators fail likewise, and stay as they were.
func TestSetLimit_BuffersAndAllocators(t *testing.T) {
	start := liveNow()
	underLimit(t, 16<<20)
	limit := z.SetLimit(-1)
	b, a := z.NewBuffer(64), z.NewAllocator(512)
	piece := bytes.Repeat([]byte("x"), 1000)
	var err error
	for err == nil {
		_, err = b.Write(piece)
	}
	wantErrLimit(t, "Write", err)
	n := b.LenNoPadding()
	wantErrLimit(t, "TryGrow", b.TryGrow(10<<20))
	wantErrLimit(t, "Allocate", panicOf(func() { b.Allocate(10 << 20) }))
	if n%1000 != 0 || n < 8<<20 || b.LenNoPadding() != n || z.NumHeldBytes() > limit {
		t.Errorf("%d bytes were written, %d are held of %d", n, z.NumHeldBytes(), limit)
	}
	var last []byte
	v := panicOf(func() {
		for {
			last = a.Allocate(1000)
			last[999] = 1
		}
	})
	wantErrLimit(t, "Allocator.Allocate", v)
	wantErrLimit(t, "NewBuffer", panicOf(func() { z.NewBuffer(10 << 20) }))
	wantErrLimit(t, "NewAllocator", panicOf(func() { z.NewAllocator(10 << 20) }))
	if last[999] != 1 || a.Size() == 0 {
		t.Error("the Allocator is not as it was")
	}
	if err := b.Release(); err != nil {
		t.Error(err)
	}
	for range 1000 { // now there is room
		a.Allocate(1000)
	}
	a.Release()
	wantLive(t, start)
	if held := z.NumHeldBytes(); held > limit-15<<20 {
		t.Errorf("%d bytes are held of %d", held, limit)
	}

	b = z.NewBuffer(64).WithMaxSize(1000) // a limit of its own is another
	defer b.Release()
	if err := b.TryGrow(2000); !errors.Is(err, z.ErrLimit) || errors.Is(err, z.ErrOutOfMemory) {
		t.Errorf("beyond WithMaxSize: %v", err)
	}
}

// takes are all paths by which n bytes, or some more, are allocated, and freed again.
var takes = map[string]func(n int) error{
	"Calloc":        func(n int) error { return failure(func() { z.Free(z.Calloc(n)) }) },
	"CallocNoRef":   func(n int) error { return failure(func() { z.Free(z.CallocNoRef(n)) }) },
	"CallocAligned": func(n int) error { return failure(func() { z.Free(z.CallocAligned(n, 64)) }) },
	"TryCalloc": func(n int) error {
		b, err := z.TryCalloc(n)
		z.Free(b)
		return err
	},
	"NewBuffer":          func(n int) error { return failure(func() { z.NewBuffer(n).Release() }) },
	"Buffer.Grow":        inBuffer(func(b *z.Buffer, n int) error { return failure(func() { b.Grow(n) }) }),
	"Buffer.TryGrow":     inBuffer(func(b *z.Buffer, n int) error { return b.TryGrow(n) }),
	"Buffer.Allocate":    inBuffer(func(b *z.Buffer, n int) error { return failure(func() { b.Allocate(n) }) }),
	"Buffer.AllocateOff": inBuffer(func(b *z.Buffer, n int) error { return failure(func() { b.AllocateOffset(n) }) }),
	"Buffer.SliceAlloc":  inBuffer(func(b *z.Buffer, n int) error { return failure(func() { b.SliceAllocate(n) }) }),
	"Buffer.WriteSlice":  inBuffer(func(b *z.Buffer, n int) error { return failure(func() { b.WriteSlice(make([]byte, n)) }) }),
	"Buffer.Write": inBuffer(func(b *z.Buffer, n int) error {
		_, err := b.Write(make([]byte, n))
		return err
	}),
	"NewAllocator":   func(n int) error { return failure(func() { z.NewAllocator(n).Release() }) },
	"Pool.Get":       func(n int) error { return failure(func() { (*z.AllocatorPool)(nil).Get(n).Release() }) },
	"Allocate":       inAllocator(func(a *z.Allocator, n int) { a.Allocate(n) }),
	"AllocateAlign":  inAllocator(func(a *z.Allocator, n int) { a.AllocateAlign(n, 64) }),
	"Allocator.Copy": inAllocator(func(a *z.Allocator, n int) { a.Copy(make([]byte, n)) }),
	"MakeSlice":      inAllocator(func(a *z.Allocator, n int) { z.MakeSlice[uint64](a, n/8, n/8) }),
	"CloneString":    inAllocator(func(a *z.Allocator, n int) { z.CloneString(a, string(make([]byte, n))) }),
	"Cursor":         inAllocator(func(a *z.Allocator, n int) { a.Cursor().Allocate(n) }),
	"MakeSliceIn":    inAllocator(func(a *z.Allocator, n int) { z.MakeSliceIn[uint64](a.Cursor(), n/8, n/8) }),
	"small blocks": inAllocator(func(a *z.Allocator, n int) {
		for range n / 1024 {
			a.Allocate(1016)
		}
	}),
	"Cursor, small blocks": inAllocator(func(a *z.Allocator, n int) {
		k := a.Cursor()
		for range n / 1024 {
			k.Allocate(1000)
		}
	}),
}

func inBuffer(f func(b *z.Buffer, n int) error) func(n int) error {
	return func(n int) error {
		b := z.NewBuffer(64)
		defer b.Release()
		return f(b, n)
	}
}

func inAllocator(f func(a *z.Allocator, n int)) func(n int) error {
	return func(n int) error {
		a := z.NewAllocator(512)
		defer a.Release()
		return failure(func() { f(a, n) })
	}
}

// failure is the error that f panics with.
func failure(f func()) error {
	v := panicOf(f)
	if err, ok := v.(error); ok || v == nil {
		return err
	}
	return fmt.Errorf("panic: %v", v)
}

// parkFor frees blocks of many sizes, so that n bytes at least are parked where there are caches.
func parkFor(n int) {
	var blocks [][]byte
	for held := 0; held < n; {
		for size := 64; size <= 16<<10; size *= 2 {
			for range 64 << 10 / size {
				blocks = append(blocks, z.Calloc(size))
				held += size
			}
		}
	}
	for _, b := range blocks {
		z.Free(b)
	}
}

// What caches hold is of more use to who is about to be refused, whatever it calls, each time, and at
// once again.
func TestSetLimit_CachesGoFirst(t *testing.T) {
	for name, take := range takes {
		t.Run(name, func(t *testing.T) {
			start := liveNow()
			underLimit(t, 8<<20)
			for range 3 {
				parkFor(4 << 20)
				if err := take(7<<20 + 256<<10); err != nil {
					t.Errorf("with %d bytes held of %d: %v", z.NumHeldBytes(), z.SetLimit(-1), err)
				}
			}
			wantErrLimit(t, "more than there is", take(9<<20))
			wantLive(t, start)
		})
	}
}

// The scratch memory of a sort is an allocation as others are.
func TestSetLimit_CachesGoFirstForSorts(t *testing.T) {
	sorts := map[string]func(b *z.Buffer) error{
		"SortBytes": func(b *z.Buffer) error { return b.SortBytes() },
		"SortSlice": func(b *z.Buffer) error {
			return failure(func() { b.SortSlice(func(x, y []byte) bool { return bytes.Compare(x, y) < 0 }) })
		},
	}
	for name, sort := range sorts {
		t.Run(name, func(t *testing.T) {
			b := z.NewBuffer(8 << 20)
			defer b.Release()
			for i := range 10_000 {
				b.WriteSlice(fmt.Appendf(nil, "%08d", i*7919%20_000))
			}
			underLimit(t, 4<<20)
			parkFor(3 << 20)
			if err := sort(b); err != nil {
				t.Errorf("with %d bytes held of %d: %v", z.NumHeldBytes(), z.SetLimit(-1), err)
			}
			z.SetLimit(z.NumHeldBytes())
			if err := z.ReturnMemory(); err != nil {
				t.Fatal(err)
			}
			z.SetLimit(z.NumHeldBytes())
			b.WriteSlice([]byte("00000000"))
			wantErrLimit(t, "without room", sort(b))
		})
	}
}

// Who lives at the limit, with little parked, is refused at little cost.
func TestSetLimit_RefusalsAreCheap(t *testing.T) {
	underLimit(t, 64<<20)
	b, err := z.TryCalloc(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Free(b)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	stopped := numStopped()
	for range 10_000 {
		_, err := z.TryCalloc(200)
		wantErrLimit(t, "TryCalloc", err)
	}
	runtime.ReadMemStats(&after)
	if n := numStopped() - stopped - uint64(after.NumGC-before.NumGC)*2; n > 10 {
		t.Errorf("10,000 refusals stopped the world %d times", n)
	}
}

// numStopped is how often the world was stopped.
func numStopped() (n uint64) {
	s := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}, {Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(s)
	for _, sample := range s {
		for _, count := range sample.Value.Float64Histogram().Counts {
			n += count
		}
	}
	return n
}

func ExampleSetLimit() {
	before := z.SetLimit(z.NumHeldBytes() + 1<<20) // 1 MiB more than now
	defer z.SetLimit(before)
	_, err := z.TryCalloc(1 << 30) // more than free blocks could make room for
	fmt.Println(errors.Is(err, z.ErrLimit))
	fmt.Println(err)
	// Output:
	// true
	// z: allocating 1073741824 bytes: out of memory: beyond the limit
}

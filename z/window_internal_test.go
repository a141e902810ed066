package z

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// spin returns whether the stack moved while it waited, without a call but that of stackAddress.
//
//go:noinline
func spin(started, stop *uint32) bool {
	before := stackAddress()
	atomic.StoreUint32(started, 1)
	for atomic.LoadUint32(stop) == 0 {
	}
	return stackAddress() != before
}

// descend returns whether the stack moved in a call that needs more of it.
//
//go:noinline
func descend(started, stop *uint32) bool {
	before := stackAddress()
	atomic.StoreUint32(started, 1)
	for atomic.LoadUint32(stop) == 0 {
		runtime.Gosched()
	}
	deep(5000)
	return stackAddress() != before
}

// stackAddress is where its frame stands.
//
//go:nosplit
//go:nocheckptr
//go:noinline
func stackAddress() uintptr {
	var here byte
	return uintptr(unsafe.Pointer(&here))
}

// deep uses more than 256 bytes of stack a level.
func deep(levels int) byte {
	var frame [256]byte
	if levels > 0 {
		frame[levels%256] = deep(levels - 1)
	}
	return frame[levels%255]
}

// Windows rely on that the runtime moves a goroutine's stack only in calls, even if it preempts the
// goroutine elsewhere.
func TestStack_MovesOnlyInCalls(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	// moved says whether collections, which shrink the stacks that they can, moved that of f.
	moved := func(f func(started, stop *uint32) bool) bool {
		var started, stop uint32
		result := make(chan bool)
		go func() {
			deep(500)
			result <- f(&started, &stop)
		}()
		for atomic.LoadUint32(&started) == 0 {
			time.Sleep(10 * time.Microsecond)
		}
		for range 3 {
			runtime.GC()
		}
		atomic.StoreUint32(&stop, 1)
		return <-result
	}
	for range 5 {
		if moved(spin) {
			t.Fatal("a stack was moved where its goroutine called nothing")
		}
	}
	if !moved(descend) {
		t.Error("none was moved in a call either: this test would not notice")
	}
}

// stackBlock is that of the stack, and not of something on the heap, however it is built.
func TestStackBlock_IsOnTheStack(t *testing.T) {
	here := stackAddress()
	if block := stackBlock(); block != here>>11 && block != (here+2048)>>11 {
		t.Errorf("block %#x, but the stack is at %#x", block, here)
	}
	var moved uintptr
	if before := stackBlock(); deep(5000) == 0 {
		moved = stackBlock() - before
	}
	if moved == 0 {
		t.Error("the same block on another stack")
	}
	if n := testing.AllocsPerRun(100, func() { stackBlock() }); n != 0 {
		t.Errorf("%v allocations on the heap", n)
	}
}

// rival is the next block of stack after one that has the same place.
func rival(block uintptr) uintptr {
	other := block + 1
	for slotOf(other) != slotOf(block) {
		other++
	}
	return other
}

// windowsTest allocates for blocks of stack from one Allocator, and looks at all it gets.
type windowsTest struct {
	*testing.T
	a    *Allocator
	size int // bytes allocated
}

func (t *windowsTest) allocate(n int, block uintptr) {
	t.Helper()
	p, ok := t.a.windows.take(uintptr(n), block)
	if !ok {
		p = t.a.allocateRest(allocatorAllocate, n, 8, block)
	}
	b := bytesAt(p, n)
	for i := range b {
		if b[i] != 0 {
			t.Fatalf("%d bytes for block %d: byte %d is %d", n, block, i, b[i])
		}
		b[i] = byte(block)
	}
	t.size += n
}

func (t *windowsTest) owner(of uintptr) uintptr {
	if cl := (*claim)(t.a.windows.claims[slotOf(of)]); cl != nil {
		return cl.owner
	}
	return 0
}

func newWindowsTest(t *testing.T) *windowsTest {
	a := NewAllocator(4 << 20)
	t.Cleanup(a.Release)
	return &windowsTest{T: t, a: a}
}

// The first block of stack owns windows; another does as soon as it has used up two shared ones, and
// goes on with its own.
func TestWindows_Own(t *testing.T) {
	test := newWindowsTest(t)
	const first, block = 4, 5
	test.allocate(16, first)
	if test.owner(first) != first {
		t.Error("the first does not own a window")
	}
	for n := 0; test.owner(block) == 0; n += 16 {
		if n > 2*sharedSize {
			t.Fatalf("owns nothing after %d bytes", n)
		}
		test.allocate(16, block)
	}
	shared := test.a.windows.shared
	for range 3 * ownSize / 24 {
		test.allocate(24, block)
	}
	if test.owner(block) != block || test.a.windows.shared != shared {
		t.Error("it does not keep to windows of its own")
	}
	test.a.Reset()
	if test.a.Size() != 0 || test.a.windows.left() != 0 {
		t.Error("a window is left after Reset")
	}
	test.allocate(16, block)
	if test.a.Size() != 16 || test.a.windows.shared != [sharedWindows]unsafe.Pointer{} {
		t.Error("it does not own windows any more")
	}
}

// Blocks of stack that take turns share windows, as few as possible.
func TestWindows_Share(t *testing.T) {
	test := newWindowsTest(t)
	for i := range 16 * sharedSize / 32 {
		test.allocate(32, uintptr(1+i%1000))
	}
	for block := range uintptr(1000) {
		if owner := test.owner(block); owner > 1 {
			t.Fatalf("block %d owns windows", owner)
		}
	}
	if test.a.Size() < test.size || test.a.Size() > test.size+5000 {
		t.Errorf("Size %d, want %d and a little", test.a.Size(), test.size)
	}
}

// An owner that is there keeps its place, but not one that allocates no more.
func TestWindows_IdleOwner(t *testing.T) {
	test := newWindowsTest(t)
	const first = 5
	second := rival(first)
	for test.owner(first) == 0 {
		test.allocate(16, first)
	}
	for range 4 * idleRefills * sharedSize / 16 {
		test.allocate(16, second)
		test.allocate(8, first)
		if _, ok := test.a.windows.take(8, second); ok || test.owner(first) != first {
			t.Fatal("another has its place")
		}
	}
	for n := 0; test.owner(first) == first; n += 16 {
		if n > (idleRefills+3)*sharedSize {
			t.Fatalf("it keeps its place while another allocates %d bytes", n)
		}
		test.allocate(16, second)
	}
	if _, ok := test.a.windows.take(8, first); ok || test.owner(second) != second {
		t.Error("the new owner has not its place")
	}
	test.allocate(8, first)
	test.allocate(8, second)
}

// Goroutines whose stacks grow, and are shrunk and given to others by the collector, never get what
// another has.
func TestWindows_StacksMove(t *testing.T) {
	a := NewAllocator(512)
	defer a.Release()
	stop := make(chan struct{})
	var collector sync.WaitGroup
	collector.Add(1)
	go func() {
		defer collector.Done()
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	generations := 40
	if testing.Short() {
		generations = 10
	}
	for g := range generations {
		var wg sync.WaitGroup
		for i := range 3 * c.NumWindows {
			wg.Add(1)
			go func() {
				defer wg.Done()
				rnd := rand.New(rand.NewPCG(uint64(g), uint64(i)))
				mark := uint64(g*1000 + i + 1)
				var mine []*[3]uint64
				var deep func(levels int)
				deep = func(levels int) {
					var frame [200]byte
					for range 20 {
						b := New[[3]uint64](a)
						if *b != [3]uint64{} {
							t.Errorf("not zero: %v", *b)
						}
						*b = [3]uint64{mark, uint64(len(mine)), mark}
						mine = append(mine, b)
					}
					if levels > 0 {
						deep(levels - 1)
					}
					frame[levels%200]++
				}
				for range 5 {
					deep(rnd.IntN(60))
				}
				for n, b := range mine {
					if *b != [3]uint64{mark, uint64(n), mark} {
						t.Errorf("block %d of %d: %v", n, mark, *b)
						return
					}
				}
			}()
		}
		wg.Wait()
		if g%8 == 7 {
			a.Reset()
		}
	}
	close(stop)
	collector.Wait()
}

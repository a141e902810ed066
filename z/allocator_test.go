package z_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

func TestAllocator_SizesAndAlignment(t *testing.T) {
	start := liveNow()
	a := z.NewAllocator(1000, "test")
	if a.Allocated() != 1024 || a.Size() != 0 || a.Tag != "test" || a.Ref == 0 {
		t.Fatalf("a new one: %v, ref %d, tag %q", a, a.Ref, a.Tag)
	}
	wantLive(t, live{start.bytes + 1024, start.blocks + 1})
	used := 0
	for _, n := range testSizes {
		if n > 1<<20 {
			continue
		}
		for _, b := range [][]byte{a.Allocate(n), a.AllocateAligned(n), a.Copy(make([]byte, n))} {
			if b == nil || len(b) != n || cap(b) != n {
				t.Fatalf("%d bytes: nil %v, len %d, cap %d", n, b == nil, len(b), cap(b))
			}
			if n > 0 && addr(b)%8 != 0 {
				t.Fatalf("%d bytes at %#x", n, addr(b))
			}
			if !isZero(b) {
				t.Fatalf("%d bytes are not zero", n)
			}
			fill(b, 0xff)
			used += (n + 7) &^ 7
		}
	}
	if a.Size() < used || uint64(a.Size()) > a.Allocated() {
		t.Errorf("Size %d, want %d to %d", a.Size(), used, a.Allocated())
	}
	if got := liveNow().bytes - start.bytes; got != int64(a.Allocated()) {
		t.Errorf("%d bytes are out, but Allocated is %d", got, a.Allocated())
	}
	a.Release()
	wantLive(t, start)
}

func TestAllocator_SizeIsExactInOneWindow(t *testing.T) {
	a := z.NewAllocator(1 << 16)
	defer a.Release()
	for i := range 100 {
		a.Allocate(13)
		if a.Size() != 16*(i+1) {
			t.Fatalf("Size after %d: %d", i+1, a.Size())
		}
	}
}

// An alignment below 8 asks for no more than 8, from the same window.
func TestAllocator_SizeIsExactWithSmallAlignments(t *testing.T) {
	a := z.NewAllocator(1 << 20)
	defer a.Release()
	for i := range 3000 {
		a.AllocateAlign(8, 1<<(i%4))
		if a.Size() != 8*(i+1) {
			t.Fatalf("Size after %d: %d", i+1, a.Size())
		}
	}
}

func TestAllocator_AllocateAlign(t *testing.T) {
	a := z.NewAllocator(512)
	defer a.Release()
	k := a.Cursor()
	defer k.Close()
	var heap *z.Allocator
	for range 3 {
		for align := 1; align <= 1<<21; align *= 2 {
			for _, n := range []int{0, 1, 7, 8, 24, 100, 2040, 2048, 2049, 5000} {
				for i, b := range [][]byte{
					a.AllocateAlign(n, align), k.AllocateAlign(n, align),
					heap.AllocateAlign(n, align), heap.Cursor().AllocateAlign(n, align),
				} {
					if b == nil || len(b) != n || cap(b) != n || !isZero(b) {
						t.Fatalf("%d: AllocateAlign(%d, %d): %d bytes", i, n, align, len(b))
					}
					if n > 0 && addr(b)%uintptr(max(align, 8)) != 0 {
						t.Fatalf("%d: AllocateAlign(%d, %d) at %#x", i, n, align, addr(b))
					}
					fill(b, 0xff)
				}
			}
		}
		a.Reset()
	}
	for _, align := range []int{0, -1, 3, 24, 1 << 31, math.MinInt} {
		wantPanic(t, func() { a.AllocateAlign(8, align) }, "z: Allocator.AllocateAlign: alignment", fmt.Sprint(align))
		wantPanic(t, func() { k.AllocateAlign(8, align) }, "z: Cursor.AllocateAlign: alignment", fmt.Sprint(align))
	}
}

func TestAllocator_BadSizes(t *testing.T) {
	start := liveNow()
	a := z.NewAllocator(0)
	k := a.Cursor()
	var heap *z.Allocator
	for _, n := range []int{-1, -7, -8, -16, -1 << 20, math.MinInt, math.MinInt + 1} {
		text := fmt.Sprintf(": negative size %d", n)
		for _, f := range []struct {
			name string
			call func()
		}{
			{"Allocator.Allocate", func() { a.Allocate(n) }},
			{"Allocator.AllocateAligned", func() { a.AllocateAligned(n) }},
			{"Allocator.AllocateAlign", func() { a.AllocateAlign(n, 64) }},
			{"Cursor.Allocate", func() { k.Allocate(n) }},
			{"Cursor.AllocateAligned", func() { k.AllocateAligned(n) }},
			{"Cursor.AllocateAlign", func() { k.AllocateAlign(n, 64) }},
			{"Allocator.Allocate", func() { heap.Allocate(n) }},
			{"Allocator.AllocateAlign", func() { heap.AllocateAlign(n, 64) }},
			{"Cursor.Allocate", func() { heap.Cursor().Allocate(n) }},
			{"NewAllocator", func() { z.NewAllocator(n) }},
			{"Allocator.TrimTo", func() { a.TrimTo(n) }},
			{"AllocatorPool.Get", func() { (*z.AllocatorPool)(nil).Get(n) }},
			{"NewAllocatorPool", func() { z.NewAllocatorPool(n) }},
		} {
			wantPanic(t, f.call, "z: "+f.name+text)
		}
	}
	for _, n := range []int{1<<30 + 1, math.MaxInt - 8, math.MaxInt} {
		for _, f := range []func(){
			func() { a.Allocate(n) }, func() { a.AllocateAlign(n, 64) },
			func() { k.Allocate(n) }, func() { k.AllocateAligned(n) }, func() { k.AllocateAlign(n, 64) },
		} {
			wantPanic(t, f, fmt.Sprintf("size %d is more than %d", n, a.MaxAlloc()))
		}
	}
	err, _ := panicOf(func() { z.NewAllocator(math.MaxInt) }).(error)
	if !errors.Is(err, z.ErrOutOfMemory) {
		t.Errorf("NewAllocator of everything: %v", err)
	}
	if b := k.Allocate(24); len(b) != 24 || !isZero(b) {
		t.Errorf("the Cursor after bad sizes: %x", b)
	}
	for _, size := range []int{0, 1, 8} {
		if b := a.Allocate(size); len(b) != size || b == nil {
			t.Errorf("Allocate(%d) after bad sizes: %d bytes", size, len(b))
		}
	}
	a.Release()
	wantLive(t, start)
}

// One of 1 GiB fits a chunk, however small those before it were, and small ones go on beside it.
func TestAllocator_Largest(t *testing.T) {
	start := liveNow()
	a := z.NewAllocator(512)
	small := a.Copy([]byte("before"))
	large := a.Allocate(a.MaxAlloc())
	if len(large) != 1<<30 || cap(large) != 1<<30 || a.Allocated() != 512+1<<30 {
		t.Fatalf("%d bytes in %v", len(large), a)
	}
	large[0], large[1<<29], large[1<<30-1] = 1, 2, 3
	after := a.Copy([]byte("after"))
	aligned := a.AllocateAlign(1<<30, 1<<12)
	if addr(aligned)%(1<<12) != 0 || aligned[0] != 0 || aligned[1<<30-1] != 0 {
		t.Error("1 GiB, aligned to a page")
	}
	if string(small)+string(after) != "beforeafter" || large[0]+large[1<<29]+large[1<<30-1] != 6 {
		t.Error("something changed")
	}
	a.Release()
	wantLive(t, start)
}

func TestAllocator_AppendLeavesTheNeighbourAlone(t *testing.T) {
	a := z.NewAllocator(1024)
	defer a.Release()
	k := a.Cursor()
	defer k.Close()
	var blocks [][]byte
	for i := range 200 {
		for _, b := range [][]byte{a.Allocate(16), k.Allocate(16), z.MakeSlice[byte](a, 16, 16)} {
			fill(b, byte(i))
			blocks = append(blocks, b)
		}
	}
	for _, b := range blocks {
		if grown := append(b, 0xee); addr(grown) == addr(b) {
			t.Fatal("append wrote in place")
		}
	}
	for i, b := range blocks {
		if !bytes.Equal(b, bytes.Repeat([]byte{byte(i / 3)}, 16)) {
			t.Fatalf("block %d changed: %x", i, b)
		}
	}
}

func TestAllocator_Nil(t *testing.T) {
	start := liveNow()
	var a *z.Allocator
	k := a.Cursor()
	for range 100 {
		for n := range 20 {
			for _, b := range [][]byte{a.Allocate(n), a.AllocateAligned(n), k.Allocate(n), k.AllocateAligned(n), a.Copy(make([]byte, n))} {
				if b == nil || len(b) != n || cap(b) != n || !isZero(b) || n > 0 && addr(b)%8 != 0 {
					t.Fatalf("%d bytes: %d at %#x", n, len(b), addr(b))
				}
				fill(b, 1)
			}
		}
	}
	if z.New[uint64](a) == nil || z.NewIn[uint64](k) == nil || len(z.MakeSlice[int](a, 2, 3)) != 2 || z.CloneString(a, "x") != "x" ||
		cap(z.MakeSliceIn[int](k, 2, 3)) != 3 {
		t.Error("typed")
	}
	if a.Size() != 0 || a.Allocated() != 0 || a.MaxAlloc() != 1<<30 || !strings.Contains(a.String(), "Go heap") {
		t.Errorf("%v: %d of %d", a, a.Size(), a.Allocated())
	}
	a.Reset()
	a.TrimTo(0)
	a.Release()
	a.Release()
	k.Close()
	k.Close()
	wantPanic(t, func() { k.Allocate(1) }, "z: Cursor.Allocate: use after Close")
	wantLive(t, start)
}

func TestAllocator_Release(t *testing.T) {
	start := liveNow()
	a := z.NewAllocator(1024)
	k, closed := a.Cursor(), a.Cursor()
	k.Allocate(10)
	closed.Allocate(10)
	closed.Close()
	closed.Close()
	for range 3 {
		wantPanic(t, func() { closed.Allocate(1) }, "z: Cursor.Allocate: use after Close")
		wantPanic(t, func() { closed.Allocate(0) }, "z: Cursor.Allocate: use after Close")
	}
	a.Allocate(100)
	a.Release()
	wantLive(t, start)
	a.Release()
	wantLive(t, start)
	for _, f := range []struct {
		name string
		call func()
	}{
		{"Allocator.Allocate", func() { a.Allocate(16) }},
		{"Allocator.Allocate", func() { a.Allocate(0) }},
		{"Allocator.Allocate", func() { a.Allocate(1 << 20) }},
		{"Allocator.AllocateAligned", func() { a.AllocateAligned(16) }},
		{"Allocator.AllocateAlign", func() { a.AllocateAlign(16, 64) }},
		{"Allocator.Copy", func() { a.Copy([]byte{1}) }},
		{"New", func() { z.New[int](a) }},
		{"NewUnchecked", func() { z.NewUnchecked[int](a) }},
		{"MakeSlice", func() { z.MakeSlice[int](a, 1, 1) }},
		{"CloneString", func() { z.CloneString(a, "x") }},
		{"Allocator.Size", func() { a.Size() }},
		{"Allocator.Allocated", func() { a.Allocated() }},
		{"Allocator.Reset", a.Reset},
		{"Allocator.TrimTo", func() { a.TrimTo(0) }},
		{"Allocator.Cursor", func() { a.Cursor() }},
		{"Cursor.Allocate", func() { k.Allocate(16) }},
		{"Cursor.Copy", func() { k.Copy(nil) }},
		{"Cursor.AllocateAligned", func() { k.AllocateAligned(16) }},
		{"NewIn", func() { z.NewIn[int](k) }},
		{"MakeSliceIn", func() { z.MakeSliceIn[int](k, 1, 1) }},
	} {
		for range 3 {
			if v := panicOf(f.call); v != "z: "+f.name+": use after Release, or before NewAllocator" {
				t.Errorf("%s after Release: %v", f.name, v)
			}
		}
	}
	if s := a.String(); !strings.Contains(s, "released") {
		t.Error(s)
	}
	k.Close()
	wantLive(t, start)
}

// What was dirty is zero again, also where it was part of something else, and none of it is lost.
func TestAllocator_Reset(t *testing.T) {
	start := liveNow()
	a := z.NewAllocator(512)
	k := a.Cursor()
	rnd := rand.New(rand.NewPCG(1, 2))
	var allocated uint64
	for round := range 50 {
		for range 300 {
			n := rnd.IntN(1 << rnd.IntN(16))
			for _, b := range [][]byte{a.Allocate(n), k.Allocate(n), a.AllocateAlign(n, 64)} {
				if len(b) != n || !isZero(b) {
					t.Fatalf("round %d: %d bytes are not zero", round, n)
				}
				fill(b, 0xa5)
			}
		}
		if round == 10 {
			allocated = a.Allocated()
		}
		a.Reset()
		if a.Size() != 0 {
			t.Fatalf("Size after Reset: %d", a.Size())
		}
	}
	if a.Allocated() > 2*allocated {
		t.Errorf("grew from %d to %d bytes by what could be reused", allocated, a.Allocated())
	}
	a.Release()
	wantLive(t, start)
}

func TestAllocator_TrimTo(t *testing.T) {
	start := liveNow()
	a := z.NewAllocator(1024)
	k := a.Cursor()
	for _, most := range []int{1 << 20, 7 << 10, 1024, 1023, 0, 0, 1 << 30} {
		first := a.Copy([]byte("first"))
		for range 100_000 {
			fill(a.Allocate(24), 1)
			fill(k.AllocateAligned(8), 1)
		}
		before := a.Allocated()
		if before < 3_000_000 {
			t.Fatalf("%d bytes for 3.2 million", before)
		}
		a.TrimTo(most)
		if got := a.Allocated(); got > uint64(most) || got+uint64(most) < before && 2*got+1024 < uint64(most) {
			t.Errorf("TrimTo(%d) of %d bytes left %d", most, before, got)
		}
		if most >= 1024 && string(first) != "first" && a.Allocated() > 512 {
			t.Errorf("TrimTo(%d) changed what it kept: %q", most, first)
		}
		wantLive(t, live{start.bytes + int64(a.Allocated()), liveNow().blocks})
		for _, b := range [][]byte{a.Allocate(100), k.Allocate(100), a.Allocate(5000)} {
			if !isZero(b) {
				t.Errorf("not zero after TrimTo(%d)", most)
			}
		}
		a.Reset()
	}
	a.Release()
	wantLive(t, start)
}

func key(b []byte) []byte { return binary.BigEndian.AppendUint64(nil, uint64(addr(b))) }

// Every byte of every block belongs to one goroutine; all allocate, from the Allocator and from
// Cursors, and some look on. A block is in its goroutine's list, has its own size, and is filled up
// with the goroutine's number.
func TestAllocator_ManyGoroutines(t *testing.T) {
	const goroutines = 16
	each := 1_000_000
	if testing.Short() {
		each = 100_000
	}
	type head struct {
		next *head
		size int
	}
	const headSize = int(unsafe.Sizeof(head{}))
	var zeroes [5000 + headSize]byte
	start := liveNow()
	a := z.NewAllocator(512)
	var wg sync.WaitGroup
	var lists [goroutines]*head
	for g := range goroutines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rnd := rand.New(rand.NewPCG(uint64(g), 1))
			marks := bytes.Repeat([]byte{byte(g + 1)}, len(zeroes))
			k := a.Cursor()
			for i := range each {
				n := headSize + rnd.IntN(24)
				if i%1000 == 0 {
					n = headSize + rnd.IntN(5000)
				}
				var b []byte
				switch {
				case g%2 == 0:
					b = a.Allocate(n)
				case i%100 == 0:
					b = a.AllocateAlign(n, 64)
				default:
					b = k.AllocateAligned(n)
				}
				if len(b) != n || !bytes.Equal(b, zeroes[:n]) {
					t.Errorf("%d bytes: %d: %x", n, len(b), b)
					return
				}
				copy(b, marks)
				h := (*head)(unsafe.Pointer(&b[0]))
				h.next, h.size = lists[g], n
				lists[g] = h
				if i%(each/4) == 0 {
					k.Close()
					k = a.Cursor()
					_ = a.String()
					_ = z.Allocators()
				}
			}
			k.Close()
		}()
	}
	wg.Wait()
	for g, h := range lists {
		count, marks := 0, bytes.Repeat([]byte{byte(g + 1)}, len(zeroes))
		for ; h != nil; h = h.next {
			b := unsafe.Slice((*byte)(unsafe.Pointer(h)), h.size)[headSize:]
			if !bytes.Equal(b, marks[:len(b)]) {
				t.Fatalf("a block of goroutine %d has bytes of another: %x", g, b)
			}
			count++
		}
		if count != each {
			t.Errorf("goroutine %d has %d blocks of %d", g, count, each)
		}
	}
	a.Release()
	wantLive(t, start)
}

// FuzzAllocator runs a program of two-byte instructions against a model: what to call, and a size.
func FuzzAllocator(f *testing.F) {
	f.Add([]byte("\x00\x10\x01\x20\x02\x00\x03\xff\x05\x00\x04\x80\x06\x10\x07\x01"))
	f.Add(bytes.Repeat([]byte{1, 200, 2, 3, 0, 255, 4, 60, 3, 9}, 50))
	f.Fuzz(func(t *testing.T, program []byte) {
		start := liveNow()
		a := z.NewAllocator(512)
		k := a.Cursor()
		var blocks [][]byte
		verify := func() {
			slices.SortFunc(blocks, func(x, y []byte) int { return bytes.Compare(key(x), key(y)) })
			for i, b := range blocks {
				if i > 0 && addr(blocks[i-1])+uintptr(len(blocks[i-1])) > addr(b) {
					t.Fatal("two blocks overlap")
				}
				if !bytes.Equal(b, bytes.Repeat([]byte{byte(addr(b) >> 3)}, len(b))) {
					t.Fatalf("a block of %d bytes changed", len(b))
				}
			}
		}
		for i := 0; i+1 < len(program); i += 2 {
			n, align := int(program[i+1])*int(program[i+1]), uintptr(8)
			var b []byte
			switch program[i] % 9 {
			case 0:
				b = a.Allocate(n)
			case 1:
				b = a.Allocate(n % 100)
			case 2:
				b, align = k.Allocate(n%100), 1
			case 3:
				b = k.AllocateAligned(n)
			case 4:
				align = 1 << (n % 13)
				b = a.AllocateAlign(n, int(align))
			case 5:
				align = 1 << (n % 13)
				b = k.AllocateAlign(n, int(align))
			case 6:
				k.Close()
				k = a.Cursor()
			case 7:
				verify()
				blocks = blocks[:0]
				a.Reset()
			case 8:
				verify()
				blocks = blocks[:0]
				a.TrimTo(n)
			}
			if len(b) == 0 {
				continue
			}
			if cap(b) != len(b) || addr(b)%align != 0 || !isZero(b) {
				t.Fatalf("%d: %d bytes with cap %d at %#x: %x", program[i]%9, len(b), cap(b), addr(b), b)
			}
			fill(b, byte(addr(b)>>3))
			blocks = append(blocks, b)
		}
		verify()
		if used := a.Size(); used < 0 || uint64(used) > a.Allocated() {
			t.Fatalf("Size %d of %d", used, a.Allocated())
		}
		a.Release()
		wantLive(t, start)
	})
}

func TestAllocatorFrom(t *testing.T) {
	a, b := z.NewAllocator(512), z.NewAllocator(512)
	if a.Ref == b.Ref || z.AllocatorFrom(a.Ref) != a || z.AllocatorFrom(b.Ref) != b {
		t.Fatalf("refs %d and %d", a.Ref, b.Ref)
	}
	if z.AllocatorFrom(0) != nil || z.AllocatorFrom(math.MaxUint64) != nil {
		t.Error("refs that nobody has")
	}
	// An object on manual memory carries the number to somebody who knows nothing else.
	type object struct{ ref, value uint64 }
	o := z.New[object](a)
	o.ref, o.value = a.Ref, 7
	func(bytes []byte) {
		found := z.AllocatorFrom(binary.NativeEndian.Uint64(bytes))
		if found != a {
			t.Fatalf("found %v", found)
		}
		found.Release()
	}(unsafe.Slice((*byte)(unsafe.Pointer(o)), unsafe.Sizeof(*o)))
	if z.AllocatorFrom(a.Ref) != nil || z.AllocatorFrom(b.Ref) != b {
		t.Error("after Release")
	}
	b.Release()
}

func TestAllocators(t *testing.T) {
	before := z.Allocators()
	a, b, other := z.NewAllocator(1024, "many"), z.NewAllocator(512, "many"), z.NewAllocator(4096, "one")
	if got, want := z.Allocators(), "Tag: many Num: 2 Size: 1536\nTag: one Num: 1 Size: 4096\n"; got != before+want {
		t.Errorf("Allocators:\n%s\nwant\n%s", got, before+want)
	}
	a.Release()
	b.Release()
	other.Release()
	if got := z.Allocators(); got != before {
		t.Errorf("Allocators after Release:\n%s", got)
	}
}

// What is listed may be released meanwhile.
func TestAllocators_WhileReleased(t *testing.T) {
	start := liveNow()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 5000 {
			z.NewAllocator(512).Release()
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			_ = z.Allocators()
		}
	}
	wantLive(t, start)
}

// A closed Cursor's memory is used by the next.
func TestCursor_CloseReturnsWhatIsLeft(t *testing.T) {
	a := z.NewAllocator(1 << 20)
	defer a.Release()
	for i := range 100_000 {
		k := a.Cursor()
		b := k.AllocateAligned(32)
		if !isZero(b) {
			t.Fatalf("Cursor %d: not zero: %x", i, b)
		}
		fill(b, 0xff)
		k.Close()
	}
	if size := a.Size(); size < 3_200_000 || size > 3_400_000 || a.Allocated() > 8<<20 {
		t.Errorf("%d of %d bytes for 3.2 million", size, a.Allocated())
	}
}

// What is used and what is not of a chunk goes with it.
func TestAllocator_SizeAfterTrimTo(t *testing.T) {
	for max := 0; max < 1<<14; max = max*2 + 512 {
		a := z.NewAllocator(512)
		for i := range 50 {
			a.Allocate(10 + 100*i)
			a.AllocateAlign(1+i, 4096)
			k := a.Cursor()
			k.Allocate(i)
			k.Close()
		}
		a.TrimTo(max)
		if n := a.Size(); n < 0 || uint64(n) > a.Allocated() || max == 0 && n != 0 {
			t.Errorf("after TrimTo(%d): %v", max, a)
		}
		a.Reset()
		if a.Size() != 0 {
			t.Errorf("after Reset: %v", a)
		}
		a.Release()
	}
}

//go:build leak

package z_test

import (
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

// planted is a struct for manual memory that must not be there as it is.
type planted struct {
	id     int
	name   string // a Go pointer in the second word
	parent *int   // another in the fourth
	next   *planted
}

//go:noinline
func newPlanted(tag string) (*planted, []byte) {
	b := z.Calloc(int(unsafe.Sizeof(planted{})), tag)
	return (*planted)(unsafe.Pointer(&b[0])), b
}

// plant stores what a field must not have, as a number: GOEXPERIMENT=cgocheck2 would stop the program
// at the store.
func plant[T any](field *T, pointer unsafe.Pointer) {
	*(*uintptr)(unsafe.Pointer(field)) = uintptr(pointer)
}

func TestFindGoPointers_NamesThePlantedField(t *testing.T) {
	if got := z.FindGoPointers(); len(got) != 0 {
		t.Fatalf("to begin with:\n%s", got)
	}
	p, b := newPlanted("tree")
	q, b2 := newPlanted("tree")
	p.id, p.next, q.next = 7, q, p // manual memory may point to manual memory
	if got := z.FindGoPointers(); len(got) != 0 || got.String() != "no Go pointers found\n" {
		t.Errorf("without Go pointers:\n%s", got)
	}

	parent := new(int)
	plant(&p.parent, unsafe.Pointer(parent))
	got := z.FindGoPointers()
	t.Log("\n" + got.String())
	runtime.KeepAlive(parent)
	value, block := uintptr(unsafe.Pointer(parent)), uintptr(unsafe.Pointer(p))
	if len(got) != 1 || got[0].Value != value || got[0].Block != block || got[0].Count != 1 ||
		got[0].Offset != int(unsafe.Offsetof(p.parent)) || got[0].Size != len(b) || got[0].Tag != "tree" {
		t.Errorf("found %+v", got)
	}
	want := regexp.MustCompile(`^GO POINTER: 0x[0-9a-f]+ at offset 24 of 40 bytes at func: \S+\.newPlanted gopointers_on_test.go:\d+ \(1 block, tag "tree"\)\n` +
		`    \S+\.TestFindGoPointers_NamesThePlantedField gopointers_on_test.go:\d+\n`)
	if unsafe.Sizeof(uintptr(0)) == 8 && !want.MatchString(got.String()) {
		t.Errorf("listed as:\n%s\nwant a match of %s", got, want)
	}

	name := strings.Repeat("x", 10)
	plant(&p.name, unsafe.Pointer(unsafe.StringData(name)))
	if got := z.FindGoPointers(); len(got) != 2 || got[0].Offset != int(unsafe.Offsetof(p.name)) {
		t.Errorf("with a string as well:\n%s", got)
	}
	z.Free(b)
	z.Free(b2)
	if got := z.FindGoPointers(); len(got) != 0 {
		t.Errorf("in the end:\n%s", got)
	}
}

// The collector frees what only manual memory points to; the address still tells.
func TestFindGoPointers_AlsoToWhatWasFreed(t *testing.T) {
	p, b := newPlanted("dangling")
	defer z.Free(b)
	plant(&p.parent, unsafe.Pointer(new(int)))
	runtime.GC()
	runtime.GC()
	if got := z.FindGoPointers(); len(got) != 1 {
		t.Errorf("found:\n%s", got)
	}
	var onStack int
	value := uintptr(unsafe.Pointer(&onStack))
	plant(&p.parent, unsafe.Pointer(&onStack))
	if got := z.FindGoPointers(); len(got) != 1 || got[0].Value != value {
		t.Errorf("to a stack:\n%s", got)
	}
}

var global int

// What is no address in the Go heap, though it may look like one.
func TestFindGoPointers_Numbers(t *testing.T) {
	onHeap := new(int)
	heap := uintptr(unsafe.Pointer(onHeap))
	b := z.Calloc(8 * 16)
	defer z.Free(b)
	words := unsafe.Slice((*uintptr)(unsafe.Pointer(&b[0])), 16)
	copy(words, []uintptr{
		1, 4095, 4096, 1 << 20, 1<<31 - 1, ^uintptr(0), ^uintptr(0) >> 1, 1 << 63, 1 << 47,
		heap + 1<<40,     // far behind it
		heap << 8, ^heap, // its digits, not its value
		uintptr(unsafe.Pointer(&b[0])),         // manual memory
		uintptr(unsafe.Pointer(&global)),       // a global variable
		uintptr(0xdeaddeaddeaddead & ^uint(0)), // what reflect has another reason to refuse
	})
	if got := z.FindGoPointers(); len(got) != 0 {
		t.Errorf("found:\n%s", got)
	}
	words[15] = heap + 1 // into the middle of an object is a pointer, too
	if got := z.FindGoPointers(); len(got) != 1 || got[0].Offset != 15*8 {
		t.Errorf("found:\n%s", got)
	}
	runtime.KeepAlive(onHeap)
}

func init() {
	children["unused heap"] = func() {
		onHeap := new(int)
		b := z.Calloc(8)
		*(*uintptr)(unsafe.Pointer(&b[0])) = uintptr(unsafe.Pointer(onHeap)) + 32<<20
		fmt.Print(z.FindGoPointers())
		runtime.KeepAlive(onHeap)
	}
}

// An address behind the little that a small program has of the Go heap, which reserves 64 MiB at once,
// is a number as long as no object has been there.
func TestFindGoPointers_UnusedHeap(t *testing.T) {
	if out, err := runChild(t, "unused heap"); err != nil || out != "no Go pointers found\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

// Blocks longer than a piece, of no whole number of words, and full of pointers.
func TestFindGoPointers_SizesOfBlocks(t *testing.T) {
	onHeap := new(int)
	heap := uintptr(unsafe.Pointer(onHeap))
	at := func(b []byte, i int) *uintptr { return (*uintptr)(unsafe.Pointer(&b[i])) }
	for _, n := range []int{8, 9, 15, 64 << 10, 64<<10 + 8, 200_003} {
		b := z.Calloc(n)
		for _, i := range []int{0, (n - 8) / 2 / 8 * 8, (n - 8) / 8 * 8} {
			*at(b, i) = heap
			if got := z.FindGoPointers(); len(got) != 1 || got[0].Offset != i || got[0].Size != n {
				t.Errorf("%d bytes, a pointer at %d: found\n%s", n, i, got)
			}
			*at(b, i) = 0
		}
		z.Free(b)
	}
	small := z.Calloc(7)
	full := z.Calloc(1 << 20)
	for i := 0; i < len(full); i += 8 {
		*at(full, i) = heap
	}
	got := z.FindGoPointers()
	z.Free(full)
	z.Free(small)
	if len(got) != 8 {
		t.Errorf("of a block full of pointers, %d are listed", len(got))
	}
	runtime.KeepAlive(onHeap)
}

// Pointers in the same place of many blocks are one line.
func TestFindGoPointers_ManyAlike(t *testing.T) {
	parent := new(int)
	var blocks [][]byte
	for range 1000 {
		p, b := newPlanted("alike")
		plant(&p.parent, unsafe.Pointer(parent))
		blocks = append(blocks, b)
	}
	got := z.FindGoPointers()
	for _, b := range blocks {
		z.Free(b)
	}
	if len(got) != 1 || got[0].Count != 1000 || !strings.Contains(got.String(), "(1000 blocks, ") {
		t.Errorf("found:\n%s", got)
	}
	runtime.KeepAlive(parent)
}

// Blocks come and go while they are scanned.
func TestFindGoPointers_WhileOthersAllocate(t *testing.T) {
	p, b := newPlanted("stays")
	plant(&p.parent, unsafe.Pointer(new(int)))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := g; ; i++ {
				select {
				case <-stop:
					return
				default:
					b := z.Calloc(1 + i*i%300_000)
					b[0] = byte(i)
					z.Free(b)
				}
			}
		}()
	}
	for range 50 {
		if got := z.FindGoPointers(); len(got) != 1 || got[0].Tag != "stays" {
			t.Errorf("found:\n%s", got)
		}
	}
	close(stop)
	wg.Wait()
	z.Free(b)
}

// An Allocator is where most structs lie; what it had before a Reset is no matter.
func TestFindGoPointers_Allocator(t *testing.T) {
	parent := new(int)
	a := z.NewAllocator(4096, "nodes")
	defer a.Release()
	node := func() *planted {
		n := int(unsafe.Sizeof(planted{}))
		return (*planted)(unsafe.Pointer(&a.AllocateAligned(n)[0]))
	}
	for range 1000 {
		node().next = node()
	}
	if got := z.FindGoPointers(); len(got) != 0 {
		t.Errorf("without Go pointers:\n%s", got)
	}
	p := node()
	plant(&p.parent, unsafe.Pointer(parent))
	got := z.FindGoPointers()
	if len(got) != 1 || got[0].Block+uintptr(got[0].Offset) != uintptr(unsafe.Pointer(&p.parent)) ||
		got[0].Tag != "nodes" || !strings.Contains(got.String(), "TestFindGoPointers_Allocator") {
		t.Errorf("found:\n%s", got)
	}
	a.Reset()
	node()
	if got := z.FindGoPointers(); len(got) != 0 {
		t.Errorf("after Reset:\n%s", got)
	}
	runtime.KeepAlive(parent)
}

// plantIn appends a Go pointer to a Buffer and returns its offset, a multiple of 8.
func plantIn(b *z.Buffer, pointer unsafe.Pointer) int {
	b.Allocate(-b.LenWithPadding() & 7)
	offset := b.AllocateOffset(8)
	plant((*uintptr)(unsafe.Pointer(&b.Data(offset)[0])), pointer)
	return offset
}

//go:noinline
func newRecords() *z.Buffer { return z.NewBuffer(0, "records") }

// A Buffer's pointers are found in every kind of memory, at the offsets that its methods know.
func TestFindGoPointers_Buffer(t *testing.T) {
	parent := new(int)
	value := uintptr(unsafe.Pointer(parent))
	dir := t.TempDir()
	for _, test := range []struct {
		name, tag, caller string
		buffer            func() *z.Buffer
		size              int // that is appended before and behind the pointer
	}{
		{"heap", "records", "newRecords", newRecords, 100},
		{"mapped", "records", "newRecords", newRecords, 3 << 20},
		{"spilled", "records", "newRecords",
			func() *z.Buffer { return newRecords().WithAutoMmap(1<<20, dir) }, 1 << 20},
		{"temporary", "", "TestFindGoPointers_Buffer",
			func() *z.Buffer { return must(z.NewBufferTmp(dir, 0))(t) }, 100_000},
		{"persistent", "", "TestFindGoPointers_Buffer",
			func() *z.Buffer { return must(z.NewBufferPersistent(dir+"/buffer", 0))(t) }, 100_000},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := test.buffer()
			defer b.Release()
			b.Allocate(test.size)
			if got := z.FindGoPointers(); len(got) != 0 {
				t.Errorf("without Go pointers:\n%s", got)
			}
			offset := plantIn(b, unsafe.Pointer(parent))
			b.Allocate(test.size)
			want := z.GoPointer{Count: 1, Value: value, Block: uintptr(unsafe.Pointer(&b.Data(0)[0])),
				Size: b.LenWithPadding(), Offset: offset, Tag: test.tag}
			got := z.FindGoPointers()
			if len(got) != 1 || !strings.Contains(got.String(), "."+test.caller) {
				t.Fatalf("found:\n%s", got)
			}
			got[0].Stack = nil
			if !reflect.DeepEqual(got[0], want) {
				t.Errorf("found %+v, want %+v", got[0], want)
			}

			view := z.NewBufferSlice(b.Bytes())
			if got := z.FindGoPointers(); len(got) != 1 || got[0].Count != 1 {
				t.Errorf("with a view of it:\n%s", got)
			}
			view.Release()
			b.Reset()
			if got := z.FindGoPointers(); len(got) != 0 {
				t.Errorf("after Reset:\n%s", got)
			}
			plantIn(b, unsafe.Pointer(parent))
			b.Release()
			if got := z.FindGoPointers(); len(got) != 0 {
				t.Errorf("after Release:\n%s", got)
			}
		})
	}
	runtime.KeepAlive(parent)
}

// A view is of memory that is somebody else's, on the Go heap too, where Go pointers belong.
func TestFindGoPointers_ViewOfGoMemory(t *testing.T) {
	s := make([]byte, 64)
	view := z.NewBufferSlice(s)
	defer view.Release()
	parent := new(int)
	plant((*uintptr)(unsafe.Pointer(&s[0])), unsafe.Pointer(parent))
	if got := z.FindGoPointers(); len(got) != 0 {
		t.Errorf("found:\n%s", got)
	}
	runtime.KeepAlive(parent)
}

// Buffers grow, move, spill and go while they are scanned. One that is there throughout is found,
// however it moves; nothing is found that was never there.
func TestFindGoPointers_WhileBuffersMove(t *testing.T) {
	parent := new(int)
	value := uintptr(unsafe.Pointer(parent))
	dir := t.TempDir()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := g; ; i++ {
				b := z.NewBuffer(0, "moves").WithAutoMmap(5<<20, dir)
				plantIn(b, unsafe.Pointer(parent))
				for n := 100; n < i%5*(2<<20); n *= 4 {
					b.Write(make([]byte, n))
				}
				if i%2 == 0 {
					b.Reset()
				}
				b.Release()
				select {
				case <-stop:
					return
				default:
				}
			}
		}()
	}
	for range 50 {
		stays := newRecords()
		offset := plantIn(stays, unsafe.Pointer(parent))
		grown := make(chan struct{})
		go func() {
			for stays.LenWithPadding() < 4<<20 {
				stays.Allocate(stays.LenWithPadding())
			}
			close(grown)
		}()
		found := false
		for _, p := range z.FindGoPointers() {
			found = found || p.Tag == "records"
			if p.Offset != offset || p.Value != value {
				t.Errorf("found:\n%s", p)
			}
		}
		if !found {
			t.Error("not found: the one that stays")
		}
		<-grown
		stays.Release()
	}
	close(stop)
	wg.Wait()
	runtime.KeepAlive(parent)
}

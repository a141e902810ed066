package z_test

import (
	"fmt"
	"math"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

type inner struct {
	n   int
	buf []byte
}

type node struct {
	val  int
	next *node
}

type listed struct {
	val  int
	next z.Ptr[listed]
	tags z.Slice[byte]
	any  uintptr
	_    [0]*int // holds nothing
}

// Only their types matter.
var _ = []any{inner{n: 0, buf: nil}, node{val: 0, next: nil}, listed{any: 0}}

// wantRefused fails the test unless each typed function refuses a T, and New does with this text.
func wantRefused[T any](t *testing.T, a *z.Allocator, want string) {
	t.Helper()
	k := a.Cursor()
	defer k.Close()
	for range 2 {
		for call, f := range map[string]func(){
			"New":         func() { z.New[T](a) },
			"MakeSlice":   func() { z.MakeSlice[T](a, 1, 1) },
			"NewIn":       func() { z.NewIn[T](k) },
			"MakeSliceIn": func() { z.MakeSliceIn[T](k, 0, 0) },
		} {
			if got := panicOf(f); got != "z: "+call+": "+want {
				t.Errorf("%s: %v, want %q", call, got, want)
			}
		}
	}
	if z.NewUnchecked[T](a) == nil {
		t.Error("NewUnchecked")
	}
}

func TestNew_RefusesGoPointers(t *testing.T) {
	a := z.NewAllocator(512)
	defer a.Release()
	wantRefused[inner](t, a, "inner.buf is []byte, which would hold Go memory")
	wantRefused[node](t, a, "node.next is *z_test.node, which would hold Go memory")
	wantRefused[struct{ in [2]inner }](t, a, "struct.in[0].buf is []byte, which would hold Go memory")
	wantRefused[struct{ a, b string }](t, a, "struct.a is string, which would hold Go memory")
	wantRefused[struct{ m map[int]int }](t, a, "struct.m is map[int]int, which would hold Go memory")
	wantRefused[struct{ c chan int }](t, a, "struct.c is chan int, which would hold Go memory")
	wantRefused[struct{ f func() }](t, a, "struct.f is func(), which would hold Go memory")
	wantRefused[struct{ e error }](t, a, "struct.e is error, which would hold Go memory")
	wantRefused[struct{ p unsafe.Pointer }](t, a, "struct.p is unsafe.Pointer, which would hold Go memory")
	wantRefused[struct{ inner }](t, a, "struct.inner.buf is []byte, which would hold Go memory")
	wantRefused[string](t, a, "string would hold Go memory")
	wantRefused[*int](t, a, "*int would hold Go memory")
	wantRefused[[]int](t, a, "[]int would hold Go memory")
	wantRefused[any](t, a, "interface {} would hold Go memory")
	var heap *z.Allocator
	wantPanic(t, func() { z.New[inner](heap) }, "inner.buf")
}

func typed[T comparable](t *testing.T, a *z.Allocator) {
	t.Helper()
	k := a.Cursor()
	defer k.Close()
	var zero T
	for range 3 {
		for _, p := range []*T{z.New[T](a), z.NewUnchecked[T](a), z.NewIn[T](k)} {
			if p == nil || *p != zero || uintptr(unsafe.Pointer(p))%unsafe.Alignof(zero) != 0 {
				t.Fatalf("%T: %p", zero, p)
			}
		}
		for _, s := range [][]T{z.MakeSlice[T](a, 3, 5), z.MakeSliceIn[T](k, 3, 5)} {
			if len(s) != 3 || cap(s) != 5 {
				t.Fatalf("%T: len %d, cap %d", zero, len(s), cap(s))
			}
			for _, v := range s[:5] {
				if v != zero {
					t.Fatalf("%T: not zero: %v", zero, v)
				}
			}
		}
		k.Allocate(3)
	}
}

func TestNew_Types(t *testing.T) {
	a := z.NewAllocator(512)
	defer a.Release()
	typed[bool](t, a)
	typed[int8](t, a)
	typed[float64](t, a)
	typed[complex128](t, a)
	typed[uintptr](t, a)
	typed[struct{}](t, a)
	typed[[0]*int](t, a)
	typed[[3]byte](t, a)
	typed[listed](t, a)
	typed[[300]uint64](t, a)
	typed[[100_000]uint64](t, a)
	big := z.New[[1 << 27]uint64](a)
	big[1<<27-1] = 1
	wantPanic(t, func() { z.New[[1<<27 + 1]uint64](a) }, "size 1073741832 is more than 1073741824")
}

func TestMakeSlice_Bounds(t *testing.T) {
	a := z.NewAllocator(512)
	defer a.Release()
	for _, c := range []struct{ n, max int }{{-1, 0}, {-1, -1}, {2, 1}, {1, -1}, {math.MinInt, math.MaxInt}} {
		text := fmt.Sprintf("z: MakeSlice: length %d is not between 0 and the capacity, %d", c.n, c.max)
		wantPanic(t, func() { z.MakeSlice[int](a, c.n, c.max) }, text)
		wantPanic(t, func() { z.MakeSlice[struct{}](a, c.n, c.max) }, text)
	}
	for _, most := range []int{math.MaxInt, math.MaxInt/8 + 1, 1 << 61, 1 << 45} {
		wantPanic(t, func() { z.MakeSlice[int](a, 0, most) }, "z: MakeSlice: capacity", "of 8 bytes each is too large")
	}
	wantPanic(t, func() { z.MakeSlice[int](a, 0, 1<<27+1) }, "is more than 1073741824")
	if s := z.MakeSlice[int](a, 0, 0); s == nil || cap(s) != 0 {
		t.Error("an empty one")
	}
	if s := z.MakeSlice[struct{}](a, 5, math.MaxInt); len(s) != 5 || cap(s) != math.MaxInt {
		t.Error("of nothing")
	}
	s := z.MakeSlice[int](a, 0, 4)
	neighbour := z.New[int](a)
	if grown := append(s, 1, 2, 3, 4); &grown[0] != &s[:1][0] || *neighbour != 0 {
		t.Error("append within the capacity")
	}
	if grown := append(s, 1, 2, 3, 4, 5); &grown[0] == &s[:1][0] || *neighbour != 0 {
		t.Error("append beyond the capacity")
	}
}

func TestClone(t *testing.T) {
	a := z.NewAllocator(512)
	defer a.Release()
	b := []byte("some bytes")
	s, c := z.CloneString(a, string(b)), z.CloneBytes(a, b)
	b[0] = 'x'
	if s != "some bytes" || string(c) != "some bytes" || cap(c) != len(c) {
		t.Errorf("%q, %q", s, c)
	}
	if z.CloneString(a, "") != "" || z.CloneBytes(a, nil) != nil || z.CloneBytes(a, []byte{}) == nil {
		t.Error("of nothing")
	}
}

func TestPtr(t *testing.T) {
	a := z.NewAllocator(512)
	defer a.Release()
	if unsafe.Sizeof(z.Ptr[int]{}) != unsafe.Sizeof(uintptr(0)) || unsafe.Sizeof(z.Slice[int]{}) != unsafe.Sizeof([]int{}) {
		t.Error("another layout than a pointer's, or a slice's")
	}
	var none z.Ptr[int]
	if !none.IsNil() || none.Get() != nil {
		t.Error("the zero Ptr")
	}
	var root z.Ptr[listed]
	for i := range 1000 {
		n := z.New[listed](a)
		n.val, n.next = i, root
		n.tags.Set(z.MakeSlice[byte](a, i%3, 3))
		root.Set(n)
	}
	count := 999
	for n := root.Get(); n != nil; n = n.next.Get() {
		if n.val != count || n.tags.Len() != count%3 || n.tags.Cap() != 3 || len(n.tags.Get()) != count%3 || cap(n.tags.Get()) != 3 {
			t.Fatalf("node %d: %+v", count, n)
		}
		count--
	}
	if count != -1 {
		t.Errorf("the list ends at %d", count)
	}
	if p := z.PtrTo(root.Get()); p != root || p.IsNil() {
		t.Error("PtrTo")
	}
	var empty z.Slice[int]
	if empty.Get() != nil || empty.Len() != 0 {
		t.Error("the zero Slice")
	}
	empty.Set([]int{})
	if empty.Get() == nil || z.SliceOf([]int(nil)).Len() != 0 {
		t.Error("an empty Slice")
	}
}

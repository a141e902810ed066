package z

import (
	"cmp"
	"fmt"
	"math/bits"
	"reflect"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// New allocates a zero T from a, as Allocate does. It panics where a T could hold a Go pointer,
// naming the field: "z: New: node.buf is []byte, which would hold Go memory". What points to manual
// memory only says so by its type, Ptr or Slice, or goes through NewUnchecked.
//
//go:nosplit
//go:noinline
func New[T any](a *Allocator) *T {
	size := unsafe.Sizeof(*(*T)(nil))
	if isFirst[T]() && a != nil && size-1 < c.WindowMaxAlloc {
		if p, ok := a.windows.take(size, stackBlock()); ok {
			return (*T)(p)
		}
	}
	return newChecked[T](a)
}

// newChecked is New where it takes a longer look at T, or there is no window yet.
//
//go:noinline
func newChecked[T any](a *Allocator) *T {
	checkType("New", (*T)(nil))
	return newAny[T](a, newValue)
}

// NewUnchecked is New for any T. That no field of the T ever holds the only pointer to Go memory is
// the caller's to see to: what such a field points to is freed by the collector.
func NewUnchecked[T any](a *Allocator) *T { return newAny[T](a, newUnchecked) }

//go:nosplit
//go:noinline
func newAny[T any](a *Allocator, f call) *T {
	size, block := unsafe.Sizeof(*(*T)(nil)), stackBlock()
	if a != nil && size-1 < c.WindowMaxAlloc {
		if p, ok := a.windows.take(size, block); ok {
			return (*T)(p)
		}
	}
	return newRest[T](a, f, block)
}

// newRest is NewUnchecked where a window cannot do it.
//
//go:noinline
func newRest[T any](a *Allocator, f call, block uintptr) *T {
	if a == nil {
		return new(T)
	}
	return (*T)(a.allocateRest(f, int(unsafe.Sizeof(*(*T)(nil))), 8, block))
}

// NewIn is New from a Cursor.
func NewIn[T any](k *Cursor) *T {
	if !isFirst[T]() {
		checkType("NewIn", (*T)(nil))
	}
	size := int(unsafe.Sizeof(*(*T)(nil)))
	if p := k.take8(size); p != nil {
		return (*T)(p)
	}
	if k != nil && k.a == nil {
		return new(T)
	}
	return (*T)(k.allocateRest(newIn, size, 8))
}

// MakeSlice allocates a slice of max zero values of type T and returns the first n of them: an append
// up to its capacity, max, stays in place, and one beyond it copies to the Go heap. It panics where
// a T could hold a Go pointer, as New does, where n or max is out of range, and where Allocate does.
func MakeSlice[T any](a *Allocator, n, max int) []T {
	checkType("MakeSlice", (*T)(nil))
	size := sliceSize(n, max, unsafe.Sizeof(*(*T)(nil)))
	if a == nil {
		return make([]T, n, max)
	}
	return sliceAt[T](startOf(a.allocate(makeSlice, size)), n, max)
}

// MakeSliceIn is MakeSlice from a Cursor.
func MakeSliceIn[T any](k *Cursor, n, max int) []T {
	checkType("MakeSliceIn", (*T)(nil))
	size := sliceSize(n, max, unsafe.Sizeof(*(*T)(nil)))
	if k != nil && k.a == nil {
		return make([]T, n, max)
	}
	p := k.take8(size)
	if p == nil {
		p = k.allocateRest(makeSliceIn, size, 8)
	}
	return sliceAt[T](p, n, max)
}

// sliceSize is the size of max values of elem bytes, of which n are to be used.
func sliceSize(n, max int, elem uintptr) int {
	if n < 0 || max < n {
		panic(fmt.Sprintf("z: MakeSlice: length %d is not between 0 and the capacity, %d", n, max))
	}
	high, size := bits.Mul(uint(max), uint(elem))
	if high > 0 || size > MaxArrayLen {
		panic(fmt.Sprintf("z: MakeSlice: capacity %d of %d bytes each is too large", max, elem))
	}
	return int(size)
}

// CloneString copies s to a. The string is valid as long as what Allocate returns, and may be stored
// in manual memory as such memory may, but only where the type is not checked: a Slice[byte] is for
// the others.
func CloneString(a *Allocator, s string) string {
	if a == nil || s == "" {
		return strings.Clone(s)
	}
	b := a.allocate(cloneString, len(s))
	copy(b, s)
	return stringAt(startOf(b), len(b))
}

// CloneBytes copies b to a, as Copy does, but gives nil for nil.
func CloneBytes(a *Allocator, b []byte) []byte {
	if b == nil {
		return nil
	}
	return a.Copy(b)
}

// checked has the typeWord of types that were found to hold no Go pointers, each at a place that
// follows from it. Two types of one place are looked at in turn.
var checked [1024]uintptr

func placeOf(word uintptr) *uintptr { return &checked[word/64%uintptr(len(checked))] }

// isChecked says whether the type to which p is a pointer is known to hold no Go pointers.
func isChecked(p any) bool {
	word := typeWord(p)
	return atomic.LoadUintptr(placeOf(word)) == word
}

// first has, at a place that follows from its size, a pointer of the type that was found to hold no
// Go pointers before any other of that place. The compiler knows how to tell whether it is a *T in less
// time than it takes to look into checked.
var first [128]atomic.Pointer[any]

func init() {
	for i := range first {
		first[i].Store(new(any))
	}
}

func firstOf(size uintptr) *atomic.Pointer[any] { return &first[size/8%uintptr(len(first))] }

// isFirst says whether T is one of them.
func isFirst[T any]() bool {
	_, ok := (*firstOf(unsafe.Sizeof(*(*T)(nil))).Load()).(*T)
	return ok
}

// checkType panics unless that type holds no Go pointers.
func checkType(call string, p any) {
	if isChecked(p) {
		return
	}
	t := reflect.TypeOf(p).Elem()
	if path, field := goPointerIn(t, cmp.Or(t.Name(), "struct")); field == t {
		panic(fmt.Sprintf("z: %s: %s would hold Go memory", call, typeName(t)))
	} else if field != nil {
		panic(fmt.Sprintf("z: %s: %s is %s, which would hold Go memory", call, path, typeName(field)))
	}
	atomic.StoreUintptr(placeOf(typeWord(p)), typeWord(p))
	if at := firstOf(t.Size()); *at.Load() == nil {
		known := p
		at.Store(&known)
	}
}

// typeName is what a program calls t. Package reflect does not know whether it said byte or uint8.
func typeName(t reflect.Type) string { return strings.ReplaceAll(t.String(), "[]uint8", "[]byte") }

// goPointerIn finds the first field of a t, which is called path, that would hold a Go pointer, and
// its type; nil where there is none.
func goPointerIn(t reflect.Type, path string) (string, reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.UnsafePointer, reflect.String, reflect.Slice, reflect.Map,
		reflect.Chan, reflect.Func, reflect.Interface:
		return path, t
	case reflect.Array:
		if t.Len() > 0 {
			return goPointerIn(t.Elem(), path+"[0]")
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if p, field := goPointerIn(f.Type, path+"."+f.Name); field != nil {
				return p, field
			}
		}
	}
	return "", nil
}

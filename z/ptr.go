package z

import "unsafe"

// Ptr is a *T that may be stored in manual memory, since it points to manual memory, too: it looks
// like a pointer to Go, and like a number to its collector. Its zero value is nil.
//
// It is on the caller that what it is set to is manual memory, or something that other Go pointers
// keep alive, and on whoever reads it that this was not freed meanwhile.
type Ptr[T any] struct {
	_    [0]*T // so that a Ptr of another type does not convert to it
	addr uintptr
}

// PtrTo is a Ptr to p.
func PtrTo[T any](p *T) Ptr[T] { return Ptr[T]{addr: uintptr(unsafe.Pointer(p))} }

// Get is the pointer.
func (p *Ptr[T]) Get() *T {
	if p == nil {
		panic("z: Ptr.Get: nil *Ptr")
	}
	return pointerIn[T](&p.addr)
}

// Set makes it point to v, which may be nil.
func (p *Ptr[T]) Set(v *T) {
	if p == nil {
		panic("z: Ptr.Set: nil *Ptr")
	}
	p.addr = uintptr(unsafe.Pointer(v))
}

// IsNil says whether it points to nothing.
func (p Ptr[T]) IsNil() bool { return p.addr == 0 }

// Slice is a []T that may be stored in manual memory, with the same layout, for elements in manual
// memory, as Ptr is for one. Its zero value is a nil slice.
type Slice[T any] struct {
	data     Ptr[T]
	len, cap int
}

// SliceOf is a Slice of the elements of s.
func SliceOf[T any](s []T) Slice[T] {
	return Slice[T]{PtrTo(unsafe.SliceData(s)), len(s), cap(s)}
}

// Get is the slice.
func (s *Slice[T]) Get() []T {
	if s == nil {
		panic("z: Slice.Get: nil *Slice")
	}
	return unsafe.Slice(s.data.Get(), s.cap)[:s.len]
}

// Set makes it the slice v.
func (s *Slice[T]) Set(v []T) {
	if s == nil {
		panic("z: Slice.Set: nil *Slice")
	}
	*s = SliceOf(v)
}

// Len and Cap are those of the slice.
func (s Slice[T]) Len() int { return s.len }
func (s Slice[T]) Cap() int { return s.cap }

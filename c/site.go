package c

// #cgo noescape zm_site_of
// #cgo nocallback zm_site_of
// #cgo noescape zm_site_set_text
// #cgo nocallback zm_site_set_text
// #include "zmem.h"
import "C"

import (
	"sync/atomic"
	"unsafe"
)

// SiteOf is zm_site_of.
func SiteOf(tag string, pcs []uintptr) *Site {
	return (*Site)(unsafe.Pointer(C.zm_site_of(
		(*C.char)(unsafe.Pointer(unsafe.StringData(tag))), C.size_t(len(tag)),
		(*C.uintptr_t)(unsafe.Pointer(unsafe.SliceData(pcs))), C.size_t(len(pcs)))))
}

// PCs returns the return addresses of the stack, innermost first, in C memory.
func (s *Site) PCs() []uintptr {
	return unsafe.Slice((*uintptr)(unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(*s))), s.npcs)
}

// Tag returns a copy of the tag.
func (s *Site) Tag() string {
	end := unsafe.Sizeof(*s) + uintptr(s.npcs)*unsafe.Sizeof(uintptr(0))
	return string(unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(s), end)), s.ntag))
}

// HasText reports whether SetText was called.
func (s *Site) HasText() bool { return atomic.LoadPointer(&s.text) != nil }

// SetText is zm_site_set_text.
func (s *Site) SetText(text string) {
	C.zm_site_set_text(s.c(), (*C.char)(unsafe.Pointer(unsafe.StringData(text))),
		C.size_t(len(text)))
}

func (s *Site) c() *C.zm_site_t { return (*C.zm_site_t)(unsafe.Pointer(s)) }

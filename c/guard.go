package c

// #cgo noescape zm_guard_calloc
// #cgo nocallback zm_guard_calloc
// #cgo noescape zm_guard_free
// #cgo nocallback zm_guard_free
// #cgo noescape zm_guard_report
// #cgo nocallback zm_guard_report
// #cgo noescape zm_site_set_text
// #cgo nocallback zm_site_set_text
// #include "zmem.h"
import "C"

import (
	"sync/atomic"
	"unsafe"
)

// SetGuardRate is zm_guard_set_rate.
func SetGuardRate(n uint64) Err { return Err(C.zm_guard_set_rate(C.uint64_t(n))) }

// GuardRate is zm_guard_rate.
func GuardRate() uint64 { return uint64(C.zm_guard_rate()) }

// GuardCalloc is zm_guard_calloc.
func GuardCalloc(n uintptr, rate uint64, tag string, pcs []uintptr) (unsafe.Pointer, *Site) {
	crossed()
	var site *C.zm_site_t
	p := C.zm_guard_calloc(C.size_t(n), C.uint64_t(rate),
		(*C.char)(unsafe.Pointer(unsafe.StringData(tag))), C.size_t(len(tag)),
		(*C.uintptr_t)(unsafe.Pointer(unsafe.SliceData(pcs))), C.size_t(len(pcs)), &site)
	return p, (*Site)(unsafe.Pointer(site))
}

// GuardFree is zm_guard_free.
func GuardFree(p unsafe.Pointer, n uintptr, pcs []uintptr) (*Site, Err) {
	crossed()
	var site *C.zm_site_t
	err := C.zm_guard_free(p, C.size_t(n),
		(*C.uintptr_t)(unsafe.Pointer(unsafe.SliceData(pcs))), C.size_t(len(pcs)), &site)
	return (*Site)(unsafe.Pointer(site)), Err(err)
}

// GuardReport is zm_guard_report.
func GuardReport(address uintptr, out []byte) int {
	return int(C.zm_guard_report(C.uintptr_t(address), (*C.char)(unsafe.Pointer(unsafe.SliceData(out))),
		C.size_t(len(out))))
}

// HasText reports whether SetText was called.
func (s *Site) HasText() bool { return atomic.LoadPointer(&s.text) != nil }

// SetText is zm_site_set_text.
func (s *Site) SetText(text string) {
	C.zm_site_set_text((*C.zm_site_t)(unsafe.Pointer(s)),
		(*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.size_t(len(text)))
}

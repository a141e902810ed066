package c

// #cgo noescape zm_guard_calloc
// #cgo nocallback zm_guard_calloc
// #cgo noescape zm_guard_free
// #cgo nocallback zm_guard_free
// #cgo noescape zm_guard_report
// #cgo nocallback zm_guard_report
// #include "zmem.h"
import "C"

import "unsafe"

// SetGuardRate is zm_guard_set_rate.
func SetGuardRate(n uint64) Err { return Err(C.zm_guard_set_rate(C.uint64_t(n))) }

// GuardRate is zm_guard_rate.
func GuardRate() uint64 { return uint64(C.zm_guard_rate()) }

// GuardCalloc is zm_guard_calloc.
func GuardCalloc(n uintptr, rate uint64, site *Site) unsafe.Pointer {
	crossed()
	return C.zm_guard_calloc(C.size_t(n), C.uint64_t(rate), site.c())
}

// GuardFree is zm_guard_free.
func GuardFree(p unsafe.Pointer, n uintptr, site *Site) Err {
	crossed()
	return Err(C.zm_guard_free(p, C.size_t(n), site.c()))
}

// GuardReport is zm_guard_report.
func GuardReport(address uintptr, out []byte) int {
	return int(C.zm_guard_report(C.uintptr_t(address), (*C.char)(unsafe.Pointer(unsafe.SliceData(out))),
		C.size_t(len(out))))
}

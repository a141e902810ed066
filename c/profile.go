package c

// #cgo noescape zm_profile_calloc
// #cgo nocallback zm_profile_calloc
// #cgo noescape zm_profile_add
// #cgo nocallback zm_profile_add
// #cgo noescape zm_profile_sites
// #cgo nocallback zm_profile_sites
// #cgo noescape zm_profile_stats
// #cgo nocallback zm_profile_stats
// #include "zmem.h"
import "C"

import "unsafe"

// SetProfileRate is zm_profile_set_rate.
func SetProfileRate(bytes uint64) Err { return Err(C.zm_profile_set_rate(C.uint64_t(bytes))) }

// ProfileRate is zm_profile_rate.
func ProfileRate() uint64 { return uint64(C.zm_profile_rate()) }

// ProfileRange is zm_profile_range.
func ProfileRange() (base, size uintptr) {
	C.zm_profile_range((*C.uintptr_t)(unsafe.Pointer(&base)), (*C.size_t)(unsafe.Pointer(&size)))
	return base, size
}

// ProfileCalloc is zm_profile_calloc.
func ProfileCalloc(n, align uintptr, rate uint64, site *Site) unsafe.Pointer {
	crossed()
	return C.zm_profile_calloc(C.size_t(n), C.size_t(align), C.uint64_t(rate), site.c())
}

// ProfileAdd is zm_profile_add.
func ProfileAdd(p unsafe.Pointer, n uintptr, rate uint64, site *Site) {
	C.zm_profile_add(p, C.size_t(n), C.uint64_t(rate), site.c())
}

// ProfileRemove is zm_profile_remove.
func ProfileRemove(p unsafe.Pointer) { C.zm_profile_remove(p) }

// ProfileSites is zm_profile_sites.
func ProfileSites(out []ProfileSite) int {
	return int(C.zm_profile_sites((*C.zm_profile_site_t)(unsafe.Pointer(unsafe.SliceData(out))),
		C.size_t(len(out))))
}

// ReadProfileStats is zm_profile_stats.
func ReadProfileStats(s *ProfileStats) {
	C.zm_profile_stats((*C.zm_profile_stats_t)(unsafe.Pointer(s)))
}

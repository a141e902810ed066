package c

// #include "zm_layout.h"
import "C"

import "unsafe"

// MaxStack and MaxTag are what a Site keeps of a stack (return addresses) and of a tag (bytes).
const (
	MaxStack = C.ZM_MAX_STACK
	MaxTag   = C.ZM_MAX_TAG
)

// MemStats mirrors zm_memstats_t.
type MemStats struct {
	Allocated, Active, Metadata, Resident, Mapped, Retained uint64
}

// Site mirrors the head of zm_site_t; addresses and tag follow it. It lies in C memory and is never
// freed.
type Site struct {
	next        unsafe.Pointer
	hash        uint64
	liveBytes   int64
	liveObjects int64
	npcs        uint32
	ntag        uint32
}

// LeakLive mirrors zm_leak_live_t.
type LeakLive struct {
	Site    *Site
	Bytes   int64
	Objects int64
}

// What LeakFault.Kind says is wrong.
const (
	FaultForeign  = C.ZM_FAULT_FOREIGN
	FaultInterior = C.ZM_FAULT_INTERIOR
	FaultFreed    = C.ZM_FAULT_FREED
	FaultSize     = C.ZM_FAULT_SIZE
)

// LeakFault mirrors zm_leak_fault_t.
type LeakFault struct {
	Kind      int64
	Block     uintptr
	Size      uint64
	AllocSite *Site
	FreeSite  *Site
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

// The mirrors agree with C: a difference is a negative unsigned constant, which does not compile.
const (
	_ = -(unsafe.Sizeof(MemStats{}) ^ C.sizeof_zm_memstats_t)
	_ = -(unsafe.Offsetof(MemStats{}.Allocated) ^ unsafe.Offsetof(C.zm_memstats_t{}.allocated))
	_ = -(unsafe.Offsetof(MemStats{}.Active) ^ unsafe.Offsetof(C.zm_memstats_t{}.active))
	_ = -(unsafe.Offsetof(MemStats{}.Metadata) ^ unsafe.Offsetof(C.zm_memstats_t{}.metadata))
	_ = -(unsafe.Offsetof(MemStats{}.Resident) ^ unsafe.Offsetof(C.zm_memstats_t{}.resident))
	_ = -(unsafe.Offsetof(MemStats{}.Mapped) ^ unsafe.Offsetof(C.zm_memstats_t{}.mapped))
	_ = -(unsafe.Offsetof(MemStats{}.Retained) ^ unsafe.Offsetof(C.zm_memstats_t{}.retained))

	_ = -(unsafe.Sizeof(Site{}) ^ C.sizeof_zm_site_t)
	_ = -(unsafe.Offsetof(Site{}.next) ^ unsafe.Offsetof(C.zm_site_t{}.next))
	_ = -(unsafe.Offsetof(Site{}.hash) ^ unsafe.Offsetof(C.zm_site_t{}.hash))
	_ = -(unsafe.Offsetof(Site{}.liveBytes) ^ unsafe.Offsetof(C.zm_site_t{}.live_bytes))
	_ = -(unsafe.Offsetof(Site{}.liveObjects) ^ unsafe.Offsetof(C.zm_site_t{}.live_objects))
	_ = -(unsafe.Offsetof(Site{}.npcs) ^ unsafe.Offsetof(C.zm_site_t{}.npcs))
	_ = -(unsafe.Offsetof(Site{}.ntag) ^ unsafe.Offsetof(C.zm_site_t{}.ntag))

	_ = -(unsafe.Sizeof(LeakLive{}) ^ C.sizeof_zm_leak_live_t)
	_ = -(unsafe.Offsetof(LeakLive{}.Site) ^ unsafe.Offsetof(C.zm_leak_live_t{}.site))
	_ = -(unsafe.Offsetof(LeakLive{}.Bytes) ^ unsafe.Offsetof(C.zm_leak_live_t{}.bytes))
	_ = -(unsafe.Offsetof(LeakLive{}.Objects) ^ unsafe.Offsetof(C.zm_leak_live_t{}.objects))

	_ = -(unsafe.Sizeof(LeakFault{}) ^ C.sizeof_zm_leak_fault_t)
	_ = -(unsafe.Offsetof(LeakFault{}.Kind) ^ unsafe.Offsetof(C.zm_leak_fault_t{}.kind))
	_ = -(unsafe.Offsetof(LeakFault{}.Block) ^ unsafe.Offsetof(C.zm_leak_fault_t{}.block))
	_ = -(unsafe.Offsetof(LeakFault{}.Size) ^ unsafe.Offsetof(C.zm_leak_fault_t{}.size))
	_ = -(unsafe.Offsetof(LeakFault{}.AllocSite) ^ unsafe.Offsetof(C.zm_leak_fault_t{}.alloc_site))
	_ = -(unsafe.Offsetof(LeakFault{}.FreeSite) ^ unsafe.Offsetof(C.zm_leak_fault_t{}.free_site))
)

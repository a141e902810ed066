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

// NumClasses is the number of size classes, and SmallMax the size of the largest, in bytes.
const (
	NumClasses = C.ZM_NUM_CLASSES
	SmallMax   = C.ZM_SMALL_MAX
)

// Magazine mirrors the head of zm_magazine_t; block addresses follow it.
type Magazine struct {
	next     *Magazine
	Len, Cap uint32
	slab     uintptr
	reserved [5]uint64
}

// Shelf mirrors zm_shelf_t.
type Shelf struct {
	Loaded, Previous *Magazine
	Len, Cap         uint32
	previousLen      uint32
	reserved         uint32
}

// Cache mirrors zm_cache_t.
type Cache struct {
	next             *Cache
	seen             uint64
	reserved         [6]uint64
	Shelves          [NumClasses]Shelf
	reservedToo      [4]uint64
	AllocatedBytes   uint64
	AllocatedObjects uint64
	SampleAt         uint64
	GuardAt          uint64
	FreedBytes       uint64
	FreedObjects     uint64
	reservedLast     [2]uint64
}

// Pop takes the block put in last, or returns nil where there is none.
func (s *Shelf) Pop() unsafe.Pointer {
	n := s.Len
	if n == 0 {
		return nil
	}
	s.Len = n - 1
	return *(*unsafe.Pointer)(s.Loaded.slot(n - 1))
}

// Push puts a block in, or returns false where there is no room. It is stored as a number: the
// write barrier, which a pointer would go through, is for the Go heap.
func (s *Shelf) Push(p unsafe.Pointer) bool {
	n := s.Len
	if n == s.Cap {
		return false
	}
	*(*uintptr)(s.Loaded.slot(n)) = uintptr(p)
	s.Len = n + 1
	return true
}

// Swap has the two magazines change places.
func (s *Shelf) Swap() { s.ExchangePrevious(s.Exchange(s.Previous)) }

// ExchangePrevious puts m in the place of the other magazine, and returns that.
func (s *Shelf) ExchangePrevious(m *Magazine) (previous *Magazine) {
	previous = s.Previous
	s.Previous, s.previousLen = m, m.Len
	return previous
}

// Exchange puts m in the place of the loaded magazine, and returns that, whose length is right again.
func (s *Shelf) Exchange(m *Magazine) (unloaded *Magazine) {
	unloaded = s.Loaded
	if unloaded != NoMagazine {
		unloaded.Len = s.Len
	}
	s.Loaded, s.Len, s.Cap = m, m.Len, m.Cap
	return unloaded
}

func (m *Magazine) slot(i uint32) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(m), unsafe.Sizeof(*m)+uintptr(i)*unsafe.Sizeof(uintptr(0)))
}

// The limits of an Allocator's windows, and how many threads spread over.
const (
	MaxAlloc       = C.ZM_MAX_ALLOC
	WindowMaxAlloc = C.ZM_WINDOW_MAX_ALLOC
	WindowBits     = C.ZM_WINDOW_BITS
	NumWindows     = C.ZM_NUM_WINDOWS
)

// Window mirrors zm_window_t, the head of a window; its memory follows it.
type Window struct {
	Used     uint64
	Size     uint64
	next     *Window
	reserved [5]uint64
}

// Cursor mirrors zm_cursor_t.
type Cursor struct {
	Allocator *Allocator
	Base      unsafe.Pointer
	Left      int
}

// Site mirrors the head of zm_site_t; addresses and tag follow it. It lies in C memory and is never
// freed.
type Site struct {
	next                     unsafe.Pointer
	hash                     uint64
	liveBytes                int64
	liveObjects              int64
	allocBytes, allocObjects int64
	text                     unsafe.Pointer
	npcs                     uint32
	ntag                     uint32
}

// ProfileSite mirrors zm_profile_site_t.
type ProfileSite struct {
	Site                                             *Site
	AllocBytes, AllocObjects, LiveBytes, LiveObjects int64
}

// ProfileStats mirrors zm_profile_stats_t.
type ProfileStats struct {
	Bytes, Sites, Records, Dropped, Crowded uint64
}

// LeakLive mirrors zm_leak_live_t.
type LeakLive struct {
	Site    *Site
	Bytes   int64
	Objects int64
}

// LeakBlock mirrors zm_leak_block_t.
type LeakBlock struct {
	Block  uintptr
	Size   uint64
	Site   *Site
	Ref    uint64
	buffer uintptr
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

// SortWatch mirrors zm_sort_watch_t; its fields are atomic.
type SortWatch struct {
	Done     int64
	Total    int64
	Stop     int32
	reserved int32
}

// Where the bytes of a Buffer are.
const (
	BufferHeap = C.ZM_BUFFER_HEAP
	BufferAnon = C.ZM_BUFFER_ANON
	BufferTmp  = C.ZM_BUFFER_TMP
	BufferFile = C.ZM_BUFFER_FILE
	BufferView = C.ZM_BUFFER_VIEW
)

// Buffer mirrors zm_buffer_t.
type Buffer struct {
	Data  unsafe.Pointer
	Len   uintptr
	Cap   uintptr
	Start uintptr
	Size  uintptr
	Max   uintptr
	spill uintptr
	step  uintptr
	dir   unsafe.Pointer
	path  unsafe.Pointer
	fd    int32
	Kind  int32
	oldFd int32
	named int32
}

// Cause mirrors zm_cause_t.
type Cause struct {
	what unsafe.Pointer
	Code int64
}

// What is the text of the field, or "" where there is none.
func (k *Cause) What() string { return C.GoString((*C.char)(k.what)) }

// The mirrors agree with C: a difference is a negative unsigned constant, which does not compile.
const (
	_ = -(unsafe.Sizeof(MemStats{}) ^ C.sizeof_zm_memstats_t)
	_ = -(unsafe.Offsetof(MemStats{}.Allocated) ^ unsafe.Offsetof(C.zm_memstats_t{}.allocated))
	_ = -(unsafe.Offsetof(MemStats{}.Active) ^ unsafe.Offsetof(C.zm_memstats_t{}.active))
	_ = -(unsafe.Offsetof(MemStats{}.Metadata) ^ unsafe.Offsetof(C.zm_memstats_t{}.metadata))
	_ = -(unsafe.Offsetof(MemStats{}.Resident) ^ unsafe.Offsetof(C.zm_memstats_t{}.resident))
	_ = -(unsafe.Offsetof(MemStats{}.Mapped) ^ unsafe.Offsetof(C.zm_memstats_t{}.mapped))
	_ = -(unsafe.Offsetof(MemStats{}.Retained) ^ unsafe.Offsetof(C.zm_memstats_t{}.retained))

	_ = -(unsafe.Sizeof(Magazine{}) ^ C.sizeof_zm_magazine_t)
	_ = -(unsafe.Offsetof(Magazine{}.next) ^ unsafe.Offsetof(C.zm_magazine_t{}.next))
	_ = -(unsafe.Offsetof(Magazine{}.slab) ^ unsafe.Offsetof(C.zm_magazine_t{}.slab))
	_ = -(unsafe.Offsetof(Magazine{}.reserved) ^ unsafe.Offsetof(C.zm_magazine_t{}.reserved))
	_ = -(unsafe.Offsetof(Magazine{}.Len) ^ unsafe.Offsetof(C.zm_magazine_t{}.len))
	_ = -(unsafe.Offsetof(Magazine{}.Cap) ^ unsafe.Offsetof(C.zm_magazine_t{}.cap))

	_ = -(unsafe.Sizeof(Shelf{}) ^ C.sizeof_zm_shelf_t)
	_ = -(unsafe.Offsetof(Shelf{}.Loaded) ^ unsafe.Offsetof(C.zm_shelf_t{}.loaded))
	_ = -(unsafe.Offsetof(Shelf{}.Previous) ^ unsafe.Offsetof(C.zm_shelf_t{}.previous))
	_ = -(unsafe.Offsetof(Shelf{}.Len) ^ unsafe.Offsetof(C.zm_shelf_t{}.len))
	_ = -(unsafe.Offsetof(Shelf{}.Cap) ^ unsafe.Offsetof(C.zm_shelf_t{}.cap))
	_ = -(unsafe.Offsetof(Shelf{}.previousLen) ^ unsafe.Offsetof(C.zm_shelf_t{}.previous_len))
	_ = -(unsafe.Offsetof(Shelf{}.reserved) ^ unsafe.Offsetof(C.zm_shelf_t{}.reserved))

	_ = -(unsafe.Sizeof(Cache{}) ^ C.sizeof_zm_cache_t)
	_ = -(unsafe.Offsetof(Cache{}.next) ^ unsafe.Offsetof(C.zm_cache_t{}.next))
	_ = -(unsafe.Offsetof(Cache{}.seen) ^ unsafe.Offsetof(C.zm_cache_t{}.seen))
	_ = -(unsafe.Offsetof(Cache{}.reserved) ^ unsafe.Offsetof(C.zm_cache_t{}.reserved))
	_ = -(unsafe.Offsetof(Cache{}.Shelves) ^ unsafe.Offsetof(C.zm_cache_t{}.shelves))
	_ = -(unsafe.Offsetof(Cache{}.reservedToo) ^ unsafe.Offsetof(C.zm_cache_t{}.reserved_too))
	_ = -(unsafe.Offsetof(Cache{}.AllocatedBytes) ^ unsafe.Offsetof(C.zm_cache_t{}.allocated_bytes))
	_ = -(unsafe.Offsetof(Cache{}.AllocatedObjects) ^ unsafe.Offsetof(C.zm_cache_t{}.allocated_objects))
	_ = -(unsafe.Offsetof(Cache{}.SampleAt) ^ unsafe.Offsetof(C.zm_cache_t{}.sample_at))
	_ = -(unsafe.Offsetof(Cache{}.GuardAt) ^ unsafe.Offsetof(C.zm_cache_t{}.guard_at))
	_ = -(unsafe.Offsetof(Cache{}.FreedBytes) ^ unsafe.Offsetof(C.zm_cache_t{}.freed_bytes))
	_ = -(unsafe.Offsetof(Cache{}.FreedObjects) ^ unsafe.Offsetof(C.zm_cache_t{}.freed_objects))
	_ = -(unsafe.Offsetof(Cache{}.reservedLast) ^ unsafe.Offsetof(C.zm_cache_t{}.reserved_last))

	_ = -(unsafe.Sizeof(Window{}) ^ C.sizeof_zm_window_t)
	_ = -(unsafe.Offsetof(Window{}.Used) ^ unsafe.Offsetof(C.zm_window_t{}.used))
	_ = -(unsafe.Offsetof(Window{}.Size) ^ unsafe.Offsetof(C.zm_window_t{}.size))
	_ = -(unsafe.Offsetof(Window{}.next) ^ unsafe.Offsetof(C.zm_window_t{}.next))
	_ = -(unsafe.Offsetof(Window{}.reserved) ^ unsafe.Offsetof(C.zm_window_t{}.reserved))

	_ = -(unsafe.Sizeof(Cursor{}) ^ C.sizeof_zm_cursor_t)
	_ = -(unsafe.Offsetof(Cursor{}.Allocator) ^ unsafe.Offsetof(C.zm_cursor_t{}.allocator))
	_ = -(unsafe.Offsetof(Cursor{}.Base) ^ unsafe.Offsetof(C.zm_cursor_t{}.base))
	_ = -(unsafe.Offsetof(Cursor{}.Left) ^ unsafe.Offsetof(C.zm_cursor_t{}.left))

	_ = -(unsafe.Sizeof(Site{}) ^ C.sizeof_zm_site_t)
	_ = -(unsafe.Offsetof(Site{}.next) ^ unsafe.Offsetof(C.zm_site_t{}.next))
	_ = -(unsafe.Offsetof(Site{}.hash) ^ unsafe.Offsetof(C.zm_site_t{}.hash))
	_ = -(unsafe.Offsetof(Site{}.liveBytes) ^ unsafe.Offsetof(C.zm_site_t{}.live_bytes))
	_ = -(unsafe.Offsetof(Site{}.liveObjects) ^ unsafe.Offsetof(C.zm_site_t{}.live_objects))
	_ = -(unsafe.Offsetof(Site{}.allocBytes) ^ unsafe.Offsetof(C.zm_site_t{}.alloc_bytes))
	_ = -(unsafe.Offsetof(Site{}.allocObjects) ^ unsafe.Offsetof(C.zm_site_t{}.alloc_objects))
	_ = -(unsafe.Offsetof(Site{}.text) ^ unsafe.Offsetof(C.zm_site_t{}.text))
	_ = -(unsafe.Offsetof(Site{}.npcs) ^ unsafe.Offsetof(C.zm_site_t{}.npcs))
	_ = -(unsafe.Offsetof(Site{}.ntag) ^ unsafe.Offsetof(C.zm_site_t{}.ntag))

	_ = -(unsafe.Sizeof(ProfileSite{}) ^ C.sizeof_zm_profile_site_t)
	_ = -(unsafe.Offsetof(ProfileSite{}.Site) ^ unsafe.Offsetof(C.zm_profile_site_t{}.site))
	_ = -(unsafe.Offsetof(ProfileSite{}.AllocBytes) ^ unsafe.Offsetof(C.zm_profile_site_t{}.alloc_bytes))
	_ = -(unsafe.Offsetof(ProfileSite{}.AllocObjects) ^ unsafe.Offsetof(C.zm_profile_site_t{}.alloc_objects))
	_ = -(unsafe.Offsetof(ProfileSite{}.LiveBytes) ^ unsafe.Offsetof(C.zm_profile_site_t{}.live_bytes))
	_ = -(unsafe.Offsetof(ProfileSite{}.LiveObjects) ^ unsafe.Offsetof(C.zm_profile_site_t{}.live_objects))

	_ = -(unsafe.Sizeof(ProfileStats{}) ^ C.sizeof_zm_profile_stats_t)
	_ = -(unsafe.Offsetof(ProfileStats{}.Bytes) ^ unsafe.Offsetof(C.zm_profile_stats_t{}.bytes))
	_ = -(unsafe.Offsetof(ProfileStats{}.Sites) ^ unsafe.Offsetof(C.zm_profile_stats_t{}.sites))
	_ = -(unsafe.Offsetof(ProfileStats{}.Records) ^ unsafe.Offsetof(C.zm_profile_stats_t{}.records))
	_ = -(unsafe.Offsetof(ProfileStats{}.Dropped) ^ unsafe.Offsetof(C.zm_profile_stats_t{}.dropped))
	_ = -(unsafe.Offsetof(ProfileStats{}.Crowded) ^ unsafe.Offsetof(C.zm_profile_stats_t{}.crowded))

	_ = -(unsafe.Sizeof(LeakLive{}) ^ C.sizeof_zm_leak_live_t)
	_ = -(unsafe.Offsetof(LeakLive{}.Site) ^ unsafe.Offsetof(C.zm_leak_live_t{}.site))
	_ = -(unsafe.Offsetof(LeakLive{}.Bytes) ^ unsafe.Offsetof(C.zm_leak_live_t{}.bytes))
	_ = -(unsafe.Offsetof(LeakLive{}.Objects) ^ unsafe.Offsetof(C.zm_leak_live_t{}.objects))

	_ = -(unsafe.Sizeof(LeakBlock{}) ^ C.sizeof_zm_leak_block_t)
	_ = -(unsafe.Offsetof(LeakBlock{}.Block) ^ unsafe.Offsetof(C.zm_leak_block_t{}.block))
	_ = -(unsafe.Offsetof(LeakBlock{}.Size) ^ unsafe.Offsetof(C.zm_leak_block_t{}.size))
	_ = -(unsafe.Offsetof(LeakBlock{}.Site) ^ unsafe.Offsetof(C.zm_leak_block_t{}.site))
	_ = -(unsafe.Offsetof(LeakBlock{}.Ref) ^ unsafe.Offsetof(C.zm_leak_block_t{}.ref))
	_ = -(unsafe.Offsetof(LeakBlock{}.buffer) ^ unsafe.Offsetof(C.zm_leak_block_t{}.buffer))

	_ = -(unsafe.Sizeof(LeakFault{}) ^ C.sizeof_zm_leak_fault_t)
	_ = -(unsafe.Offsetof(LeakFault{}.Kind) ^ unsafe.Offsetof(C.zm_leak_fault_t{}.kind))
	_ = -(unsafe.Offsetof(LeakFault{}.Block) ^ unsafe.Offsetof(C.zm_leak_fault_t{}.block))
	_ = -(unsafe.Offsetof(LeakFault{}.Size) ^ unsafe.Offsetof(C.zm_leak_fault_t{}.size))
	_ = -(unsafe.Offsetof(LeakFault{}.AllocSite) ^ unsafe.Offsetof(C.zm_leak_fault_t{}.alloc_site))
	_ = -(unsafe.Offsetof(LeakFault{}.FreeSite) ^ unsafe.Offsetof(C.zm_leak_fault_t{}.free_site))

	_ = -(unsafe.Sizeof(SortWatch{}) ^ C.sizeof_zm_sort_watch_t)
	_ = -(unsafe.Offsetof(SortWatch{}.Done) ^ unsafe.Offsetof(C.zm_sort_watch_t{}.done))
	_ = -(unsafe.Offsetof(SortWatch{}.Total) ^ unsafe.Offsetof(C.zm_sort_watch_t{}.total))
	_ = -(unsafe.Offsetof(SortWatch{}.Stop) ^ unsafe.Offsetof(C.zm_sort_watch_t{}.stop))
	_ = -(unsafe.Offsetof(SortWatch{}.reserved) ^ unsafe.Offsetof(C.zm_sort_watch_t{}.reserved))

	_ = -(unsafe.Sizeof(Buffer{}) ^ C.sizeof_zm_buffer_t)
	_ = -(unsafe.Offsetof(Buffer{}.Data) ^ unsafe.Offsetof(C.zm_buffer_t{}.data))
	_ = -(unsafe.Offsetof(Buffer{}.Len) ^ unsafe.Offsetof(C.zm_buffer_t{}.len))
	_ = -(unsafe.Offsetof(Buffer{}.Cap) ^ unsafe.Offsetof(C.zm_buffer_t{}.cap))
	_ = -(unsafe.Offsetof(Buffer{}.Start) ^ unsafe.Offsetof(C.zm_buffer_t{}.start))
	_ = -(unsafe.Offsetof(Buffer{}.Size) ^ unsafe.Offsetof(C.zm_buffer_t{}.size))
	_ = -(unsafe.Offsetof(Buffer{}.Max) ^ unsafe.Offsetof(C.zm_buffer_t{}.max))
	_ = -(unsafe.Offsetof(Buffer{}.spill) ^ unsafe.Offsetof(C.zm_buffer_t{}.spill))
	_ = -(unsafe.Offsetof(Buffer{}.step) ^ unsafe.Offsetof(C.zm_buffer_t{}.step))
	_ = -(unsafe.Offsetof(Buffer{}.dir) ^ unsafe.Offsetof(C.zm_buffer_t{}.dir))
	_ = -(unsafe.Offsetof(Buffer{}.path) ^ unsafe.Offsetof(C.zm_buffer_t{}.path))
	_ = -(unsafe.Offsetof(Buffer{}.fd) ^ unsafe.Offsetof(C.zm_buffer_t{}.fd))
	_ = -(unsafe.Offsetof(Buffer{}.Kind) ^ unsafe.Offsetof(C.zm_buffer_t{}.kind))
	_ = -(unsafe.Offsetof(Buffer{}.oldFd) ^ unsafe.Offsetof(C.zm_buffer_t{}.old_fd))
	_ = -(unsafe.Offsetof(Buffer{}.named) ^ unsafe.Offsetof(C.zm_buffer_t{}.named))

	_ = -(unsafe.Sizeof(Cause{}) ^ C.sizeof_zm_cause_t)
	_ = -(unsafe.Offsetof(Cause{}.what) ^ unsafe.Offsetof(C.zm_cause_t{}.what))
	_ = -(unsafe.Offsetof(Cause{}.Code) ^ unsafe.Offsetof(C.zm_cause_t{}.code))
)

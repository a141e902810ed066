package alloc

import (
	"sync"
	"unsafe"

	"modernc.org/memory"
)

func init() {
	register(implementation{
		name: "modernc",
		one:  func() bodies { return new(moderncBodies) },
		many: func() bodies { return new(moderncLockedBodies) },
	})
}

// modernc is modernc.org/memory, pure Go over mmap, by its pointer calls: the faster of those that
// its documentation measures. UnsafeCalloc clears the block. An Allocator is for one goroutine at a
// time.
type modernc struct{ m memory.Allocator }

func newModernc(setting) (*modernc, error) { return new(modernc), nil }

func (a *modernc) calloc(n int) unsafe.Pointer {
	p, err := a.m.UnsafeCalloc(n)
	if err != nil {
		panic(err)
	}
	return p
}

func (a *modernc) free(p unsafe.Pointer) {
	if err := a.m.UnsafeFree(p); err != nil {
		panic(err)
	}
}

func (*modernc) bytes(p unsafe.Pointer, n int) []byte { return unsafe.Slice((*byte)(p), n) }

// moderncLocked is modernc for several goroutines: behind a mutex, which is held while a block is
// found and not while it is cleared.
type moderncLocked struct {
	mu sync.Mutex
	m  memory.Allocator
}

func newModerncLocked(setting) (*moderncLocked, error) { return new(moderncLocked), nil }

func (a *moderncLocked) calloc(n int) unsafe.Pointer {
	a.mu.Lock()
	p, err := a.m.UnsafeMalloc(n)
	a.mu.Unlock()
	if err != nil {
		panic(err)
	}
	clear(unsafe.Slice((*byte)(p), n))
	return p
}

func (a *moderncLocked) free(p unsafe.Pointer) {
	a.mu.Lock()
	err := a.m.UnsafeFree(p)
	a.mu.Unlock()
	if err != nil {
		panic(err)
	}
}

func (*moderncLocked) bytes(p unsafe.Pointer, n int) []byte { return unsafe.Slice((*byte)(p), n) }

package z

import (
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/zmem-go/zmem/c"
)

// AllocatorPool keeps Allocators, with their chunks, for whoever needs one next. Any goroutine may
// call its methods at any time. A nil pool keeps none: its Get makes one, its Return releases it.
type AllocatorPool struct {
	mu   sync.RWMutex     // held to read while core is in use
	core *c.AllocatorPool // nil after Release
}

// NewAllocatorPool makes a pool that keeps up to max Allocators. The caller is to call Release. What
// nobody needs is given back meanwhile: one Allocator after each garbage collection before which
// nothing was asked for since the last.
//
// It panics where max is negative and, with an error that is ErrOutOfMemory, where there is no
// memory.
func NewAllocatorPool(max int) *AllocatorPool {
	if max < 0 {
		panic(fmt.Sprintf("z: NewAllocatorPool: negative size %d", max))
	}
	core, err := c.NewAllocatorPool(uintptr(max))
	if err != c.OK {
		panic(noMemory(max, err))
	}
	p := &AllocatorPool{core: core}
	runtime.SetFinalizer(&poolSentinel{p}, (*poolSentinel).afterGC)
	return p
}

// poolSentinel is garbage whose finalizer runs after each collection.
type poolSentinel struct{ pool *AllocatorPool }

func (s *poolSentinel) afterGC() {
	s.pool.mu.RLock()
	defer s.pool.mu.RUnlock()
	if s.pool.core != nil {
		if s.pool.core.Trim() {
			noteFree()
		}
		runtime.SetFinalizer(s, (*poolSentinel).afterGC)
	}
}

// Get gives an Allocator that the pool kept, empty and with a Ref of its own, or makes one, as
// NewAllocator(sz, tag...) does, where there is none. The caller is to pass it to Return, or call its
// Release.
func (p *AllocatorPool) Get(sz int, tag ...string) *Allocator {
	name := tagOf(tag)
	checkSize("AllocatorPool.Get", sz, math.MaxInt)
	return register(newAllocator(p.take(), sz, name), name)
}

func (p *AllocatorPool) take() *c.Allocator {
	if p == nil {
		return nil
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.core == nil {
		return nil
	}
	return p.core.Take()
}

// Return ends the use of a, as Release does, and keeps up to 400 MiB of its chunks for a later Get,
// unless the pool is full. a need not come from the pool, and may be nil.
func (p *AllocatorPool) Return(a *Allocator) {
	core := a.close()
	if core == nil {
		return
	}
	if p != nil {
		p.mu.RLock()
		defer p.mu.RUnlock()
	}
	if p == nil || p.core == nil {
		core.Release()
	} else {
		p.core.Put(core)
	}
	noteFree()
}

// Release frees what the pool keeps. From then on Get and Return are those of a nil pool. A second
// Release does nothing.
func (p *AllocatorPool) Release() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.core != nil {
		p.core.Release()
		p.core = nil
		noteFree()
	}
}

//go:build xdarkicex

package alloc

import (
	"errors"

	"github.com/xDarkicex/memory"
)

func init() {
	register(implementation{
		name: "xdarkicex",
		one:  func() bodies { return new(xdarkicexBodies) },
		many: func() bodies { return new(xdarkicexShardedBodies) },
	})
}

// xdarkicex is FreeList of xDarkicex/memory, its fastest by its own figures for blocks that are freed
// one by one: slots of one size in slabs from mmap. It does not clear a slot that it hands out again,
// so that is done here. There is nothing in that package for blocks of several sizes that are freed
// one by one.
type xdarkicex struct{ l *memory.FreeList }

var errOneSize = errors.New("it frees single blocks only where all have one size")

func newXdarkicex(s setting) (*xdarkicex, error) {
	if s.size == 0 {
		return nil, errOneSize
	}
	l, err := memory.NewFreeList(xdarkicexConfig(s, 32))
	return &xdarkicex{l}, err
}

// xdarkicexConfig follows the package's quick start: slabs of 2 MiB, made at the start, with room for
// twice the live blocks.
func xdarkicexConfig(s setting, minSlot int) memory.FreeListConfig {
	const slab = 2 << 20
	slot := max(minSlot, (s.size+7)&^7)
	slabs := 2*s.live*slot/slab + 32
	return memory.FreeListConfig{
		PoolSize:  uint64(slabs) * slab,
		SlotSize:  uint64(slot),
		SlabSize:  slab,
		SlabCount: slabs,
		Prealloc:  true,
	}
}

func (x *xdarkicex) calloc(n int) []byte {
	b, err := x.l.Allocate()
	if err != nil {
		panic(err)
	}
	clear(b[:n])
	return b
}

func (x *xdarkicex) free(b []byte) {
	if err := x.l.Deallocate(b); err != nil {
		panic(err)
	}
}

func (*xdarkicex) bytes(b []byte, n int) []byte { return b[:n] }

// xdarkicexSharded is ShardedFreeList, which the package has for several goroutines, with the 64
// shards of its quick start. It keeps notes of its own in the first 44 bytes of a slot, so slots have
// at least 64.
type xdarkicexSharded struct{ l *memory.ShardedFreeList }

func newXdarkicexSharded(s setting) (*xdarkicexSharded, error) {
	if s.size == 0 {
		return nil, errOneSize
	}
	l, err := memory.NewShardedFreeList(xdarkicexConfig(s, 64), 64)
	return &xdarkicexSharded{l}, err
}

func (x *xdarkicexSharded) calloc(n int) []byte {
	b, err := x.l.Allocate()
	if err != nil {
		panic(err)
	}
	clear(b[:n])
	return b
}

func (x *xdarkicexSharded) free(b []byte) {
	if err := x.l.Deallocate(b); err != nil {
		panic(err)
	}
}

func (*xdarkicexSharded) bytes(b []byte, n int) []byte { return b[:n] }

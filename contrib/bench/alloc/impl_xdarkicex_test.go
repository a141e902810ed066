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

// A slot begins with what the list notes in it. Deallocate reads there which slab the slot is in;
// where the caller has written over that, it takes a lock and searches. So blocks lie behind it.
const (
	xdarkicexNotes        = 32
	xdarkicexShardedNotes = 48
)

// xdarkicexAlign is the package's least, as its default of 64 bytes would spread small blocks out.
const xdarkicexAlign = 8

var errOneSize = errors.New("it frees single blocks only where all have one size")

func newXdarkicex(s setting) (*xdarkicex, error) {
	if s.size == 0 {
		return nil, errOneSize
	}
	l, err := memory.NewFreeList(xdarkicexConfig(s, xdarkicexNotes), xdarkicexAlign)
	if err != nil {
		return nil, err
	}
	return &xdarkicex{l}, nil
}

// xdarkicexConfig follows the package's quick start: slabs of 2 MiB, made at the start, with room for
// twice the live blocks.
func xdarkicexConfig(s setting, notes int) memory.FreeListConfig {
	const slab = 2 << 20
	slot := notes + (s.size+7)&^7
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
	clear(x.bytes(b, n))
	return b
}

func (x *xdarkicex) free(b []byte) {
	if err := x.l.Deallocate(b); err != nil {
		panic(err)
	}
}

func (*xdarkicex) bytes(b []byte, n int) []byte { return b[xdarkicexNotes : xdarkicexNotes+n] }

func (x *xdarkicex) release() { _ = x.l.Free() }

// xdarkicexSharded is ShardedFreeList, which the package has for several goroutines, with the 64
// shards of its quick start.
type xdarkicexSharded struct{ l *memory.ShardedFreeList }

func newXdarkicexSharded(s setting) (*xdarkicexSharded, error) {
	if s.size == 0 {
		return nil, errOneSize
	}
	l, err := memory.NewShardedFreeList(xdarkicexConfig(s, xdarkicexShardedNotes), xdarkicexAlign, 64)
	if err != nil {
		return nil, err
	}
	return &xdarkicexSharded{l}, nil
}

func (x *xdarkicexSharded) calloc(n int) []byte {
	b, err := x.l.Allocate()
	if err != nil {
		panic(err)
	}
	clear(x.bytes(b, n))
	return b
}

func (x *xdarkicexSharded) free(b []byte) {
	if err := x.l.Deallocate(b); err != nil {
		panic(err)
	}
}

func (*xdarkicexSharded) bytes(b []byte, n int) []byte {
	return b[xdarkicexShardedNotes : xdarkicexShardedNotes+n]
}

func (x *xdarkicexSharded) release() { _ = x.l.Free() }

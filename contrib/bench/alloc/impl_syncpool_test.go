package alloc

import (
	"math/bits"
	"sync"
)

func init() {
	register(implementation{name: "sync-pool", one: func() bodies { return new(syncPoolBodies) }})
}

// syncPool keeps one sync.Pool for each power of two, since a pool is for objects of one size. It
// hands out pointers to slices, as the package's documentation advises (a slice itself would be
// allocated on each Put), and clears them, since a pool does not. Any goroutine may call it. What is
// in it is the collector's to take, at any collection.
type syncPool struct{ pools [48]sync.Pool }

func newSyncPool(setting) (*syncPool, error) {
	p := new(syncPool)
	for i := range p.pools {
		p.pools[i].New = func() any {
			b := make([]byte, 1<<i)
			return &b
		}
	}
	return p, nil
}

func (p *syncPool) calloc(n int) *[]byte {
	b := p.pools[bits.Len(uint(n-1))].Get().(*[]byte)
	clear((*b)[:n])
	return b
}

func (p *syncPool) free(b *[]byte) { p.pools[bits.Len(uint(len(*b)-1))].Put(b) }

func (*syncPool) bytes(b *[]byte, n int) []byte { return (*b)[:n] }

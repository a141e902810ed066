//go:build memorymanager

package alloc

import "github.com/fmstephe/memorymanager/offheap"

func init() {
	register(implementation{
		name: "memorymanager",
		one:  func() bodies { return new(memorymanagerBodies) },
	})
}

// memorymanager is offheap.Store of fmstephe/memorymanager: slabs of each power of two from mmap.
// AllocSlice does not clear the block, so it is cleared here. Any goroutine may call it.
type memorymanager struct{ s *offheap.Store }

func newMemorymanager(setting) (*memorymanager, error) { return &memorymanager{offheap.New()}, nil }

func (m *memorymanager) calloc(n int) offheap.RefSlice[byte] {
	ref := offheap.AllocSlice[byte](m.s, n, n)
	clear(ref.Value())
	return ref
}

func (m *memorymanager) free(ref offheap.RefSlice[byte]) { offheap.FreeSlice(m.s, ref) }

func (*memorymanager) bytes(ref offheap.RefSlice[byte], _ int) []byte { return ref.Value() }

func (m *memorymanager) release() { _ = m.s.Destroy() }

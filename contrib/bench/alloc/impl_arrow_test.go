package alloc

import "github.com/apache/arrow-go/v18/arrow/memory/mallocator"

func init() {
	register(implementation{name: "arrow", one: func() bodies { return new(arrowBodies) }})
}

// arrow is Apache Arrow's Mallocator: libc's calloc through cgo, aligned to 64 bytes, which takes 64
// more of each block. Its memory is zero. Any goroutine may call it.
type arrow struct{ m *mallocator.Mallocator }

func newArrow(setting) (*arrow, error) { return &arrow{mallocator.NewMallocator()}, nil }

func (a *arrow) calloc(n int) []byte        { return a.m.Allocate(n) }
func (a *arrow) free(b []byte)              { a.m.Free(b) }
func (*arrow) bytes(b []byte, _ int) []byte { return b }

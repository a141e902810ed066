//go:build mmgo

package alloc

import "github.com/joetifa2003/mm-go/allocator"

func init() {
	register(implementation{name: "mmgo", one: func() bodies { return new(mmgoBodies) }})
}

// mmgo is mm-go's allocator on libc: calloc through cgo, so its memory is zero, and any goroutine may
// call it.
type mmgo struct{ a allocator.Allocator }

func newMmgo(setting) (*mmgo, error) { return &mmgo{allocator.NewC()}, nil }

func (m *mmgo) calloc(n int) []byte        { return allocator.AllocMany[byte](m.a, n) }
func (m *mmgo) free(b []byte)              { allocator.FreeMany(m.a, b) }
func (*mmgo) bytes(b []byte, _ int) []byte { return b }

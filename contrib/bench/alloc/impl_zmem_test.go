package alloc

import "github.com/zmem-go/zmem/z"

func init() {
	register(implementation{name: "zmem", one: func() bodies { return new(zmemBodies) }})
}

// zmem is what this repository is for. Any goroutine may call it.
type zmem struct{}

func newZmem(setting) (*zmem, error) { return &zmem{}, nil }

func (*zmem) calloc(n int) []byte          { return z.Calloc(n) }
func (*zmem) free(b []byte)                { z.Free(b) }
func (*zmem) bytes(b []byte, _ int) []byte { return b }

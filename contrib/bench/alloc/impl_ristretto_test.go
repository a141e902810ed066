//go:build jemalloc

package alloc

import "github.com/dgraph-io/ristretto/v2/z"

func init() {
	register(implementation{name: "ristretto", one: func() bodies { return new(ristrettoBodies) }})
}

// ristretto is package z of ristretto/v2, on jemalloc: without that tag it is Go's make. Any
// goroutine may call it.
type ristretto struct{}

func newRistretto(setting) (*ristretto, error) { return &ristretto{}, nil }

func (*ristretto) calloc(n int) []byte          { return z.Calloc(n, "bench") }
func (*ristretto) free(b []byte)                { z.Free(b) }
func (*ristretto) bytes(b []byte, _ int) []byte { return b }

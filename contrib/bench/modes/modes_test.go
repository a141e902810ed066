package modes

import (
	"testing"

	"github.com/zmem-go/zmem/z"
)

// BenchmarkModes allocates a block of 32 bytes and frees it, again and again, in each mode that this
// build has.
func BenchmarkModes(b *testing.B) {
	for _, m := range modes {
		b.Run("impl="+m.name, func(b *testing.B) {
			b.Run("size=32", func(b *testing.B) {
				defer m.set()()
				callocFree(new([8][]byte), b.N)
			})
		})
	}
}

//go:noinline
func callocFree(out *[8][]byte, iters int) {
	for range iters {
		b := z.Calloc(32)
		b[0] = 1
		b[len(b)-1] = 1
		out[0] = b
		z.Free(b)
	}
}

func TestModes(t *testing.T) {
	for _, m := range modes {
		restore := m.set()
		before := z.NumAllocs()
		callocFree(new([8][]byte), 100_000)
		restore()
		if n := z.NumAllocs() - before; n != 0 {
			t.Errorf("%s: %d blocks are left", m.name, n)
		}
	}
}

// mode is one way to run; set switches to it and returns what switches back.
type mode struct {
	name string
	set  func() func()
}

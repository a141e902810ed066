package modes

import (
	"fmt"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// sizes are small, where calls count, and as large as blocks in caches get, where samples do.
var sizes = []int{32, 65536}

// BenchmarkModes allocates a block and frees it, again and again, in each mode that this build has.
func BenchmarkModes(b *testing.B) {
	for _, m := range modes {
		b.Run("impl="+m.name, func(b *testing.B) {
			for _, size := range sizes {
				b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
					defer m.set()()
					callocFree(new([8][]byte), size, b.N)
				})
			}
		})
	}
}

//go:noinline
func callocFree(out *[8][]byte, size, iters int) {
	for range iters {
		b := z.Calloc(size)
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
		for _, size := range sizes {
			callocFree(new([8][]byte), size, 10_000)
		}
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

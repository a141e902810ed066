package alloc

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

// gcNode is laid on manual memory as on the Go heap.
type gcNode struct {
	val  int
	next *gcNode
}

const gcNodeSize = int(unsafe.Sizeof(gcNode{}))

// newGCNode makes a node on each side. It is not timed.
var newGCNode = map[string]func() *gcNode{
	"go":   func() *gcNode { return new(gcNode) },
	"zmem": func() *gcNode { return (*gcNode)(unsafe.Pointer(&z.Calloc(gcNodeSize)[0])) },
}

// BenchmarkForcedGC is one runtime.GC with a list of 20 million nodes alive (200,000 with -short). The
// nodes are left to the end of the process, so run one implementation in one process.
func BenchmarkForcedGC(b *testing.B) {
	nodes := 20_000_000
	if testing.Short() {
		nodes /= 100
	}
	for _, im := range implementations {
		newNode := newGCNode[im.name]
		if newNode == nil {
			continue
		}
		var root *gcNode
		b.Run("impl="+im.name, func(b *testing.B) {
			for i := 0; root == nil || root.val < nodes; i++ {
				n := newNode()
				n.val, n.next = i+1, root
				root = n
			}
			runtime.GC() // what making the list left behind
			b.ResetTimer()
			for range b.N {
				runtime.GC()
			}
			runtime.KeepAlive(root)
		})
	}
}

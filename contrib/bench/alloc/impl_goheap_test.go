package alloc

import (
	"math/rand/v2"
	"sync"
)

func init() {
	register(implementation{name: "go", one: func() bodies { return new(goHeapBodies) }})
	register(implementation{name: "go-busy", one: func() bodies { return new(goBusy) }})
}

// goHeap is make, and the collector for what is dropped. The process is small and GOGC is its
// default, so that collections are frequent and short.
type goHeap struct{}

func newGoHeap(setting) (*goHeap, error) { return &goHeap{}, nil }

func (*goHeap) calloc(n int) []byte          { return make([]byte, n) }
func (*goHeap) free([]byte)                  {}
func (*goHeap) bytes(b []byte, _ int) []byte { return b }

// goBusy is goHeap in a program that has live data to be walked: 64 MiB of nodes of 64 bytes, each of
// which points to another. With GOGC at its default a collection walks as many live bytes as were
// allocated since the last one, so what it adds to one allocation does not grow with the live data;
// 64 MiB are more than the caches hold and little enough that the short time of one case has several
// collections.
type goBusy struct{ goHeapBodies }

func (x *goBusy) open(s setting) error {
	makeLiveNodes()
	return x.goHeapBodies.open(s)
}

type liveNode struct {
	other *liveNode
	_     [7]uint64
}

var liveNodes []*liveNode

var makeLiveNodes = sync.OnceFunc(func() {
	liveNodes = make([]*liveNode, 1<<20)
	for i := range liveNodes {
		liveNodes[i] = new(liveNode)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range liveNodes {
		n.other = liveNodes[rnd.IntN(len(liveNodes))]
	}
	rnd.Shuffle(len(liveNodes), func(i, j int) {
		liveNodes[i], liveNodes[j] = liveNodes[j], liveNodes[i]
	})
})

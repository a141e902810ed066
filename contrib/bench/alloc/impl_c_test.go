//go:build jemalloc

package alloc

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/zmem-go/zmem/contrib/bench/internal/cfloor"
)

func init() {
	register(implementation{name: "c", one: func() bodies { return new(cFloor) }})
}

// cFloor is the same work as a C loop on jemalloc, in one call: the least that it can cost there.
type cFloor struct {
	live  *cfloor.Live
	rings []*cfloor.Live
}

func (x *cFloor) open(setting) error { return nil }

func (x *cFloor) callocFree(size, iters int) { cfloor.CallocFree(size, iters) }

func (x *cFloor) fill(size, count int) { x.live = cfloor.NewLive(count, size, nil) }

func (x *cFloor) replace(size int, order []uint32, iters int) { x.live.Replace(size, order, iters) }

func (x *cFloor) fillRings(goroutines, count int, sizes []uint32) {
	for range goroutines {
		x.rings = append(x.rings, cfloor.NewLive(count, 0, sizes))
	}
}

func (x *cFloor) mixed(g int, sizes []uint32, pos, iters int) { x.rings[g].Mixed(sizes, pos, iters) }

func (x *cFloor) pipe(int, int, int, int) error {
	return errors.New("the hand-over is by a Go channel")
}

func (x *cFloor) check(int, int) error { return nil }

func (x *cFloor) close() {
	if x.live != nil {
		x.live.Drop()
	}
	for _, ring := range x.rings {
		ring.Drop()
	}
	x.live, x.rings = nil, nil
}

// TestMain says which jemalloc it is, in a form that the results keep.
func TestMain(m *testing.M) {
	fmt.Printf("jemalloc: %s\n", cfloor.Version())
	os.Exit(m.Run())
}

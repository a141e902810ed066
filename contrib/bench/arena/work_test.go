package arena

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// blockSize is what every allocation asks for, in bytes, and what a node has.
const blockSize = 16

type node struct{ val, _ uintptr }

// round is after how many allocations of a goroutine everything is freed: 1 MiB.
const round = 1 << 16

// leastPiece is how many of them a goroutine does at a time, at least, as long as there are so many.
const leastPiece = 1 << 8

// arena is what one implementation does. Each function allocates n times, one after the other, and
// writes to what it got; one that is nil is something that the implementation does not have.
type arena struct {
	allocate func(n int) // blocks of blockSize bytes, not necessarily zero
	aligned  func(n int) // zero blocks, aligned for a struct
	node     func(n int) // nodes

	// own takes something of its own from the arena for a goroutine, and returns allocate from that,
	// and what gives it back.
	own func() (allocate func(n int), done func())

	renew func() // frees everything, the arena itself included, and makes another like it
	close func()
}

// implementation is one of those that are compared.
type implementation struct {
	name string
	// open makes an arena that has room for n blocks at once.
	open   func(n int) arena
	shared bool // several goroutines may allocate from one arena
}

var implementations []implementation

// register is for init functions, in the implementations' own files.
func register(im implementation) { implementations = append(implementations, im) }

// goroutineCounts are 1, 2 and GOMAXPROCS, as far as the processors go.
func goroutineCounts() []int {
	procs := runtime.GOMAXPROCS(0)
	return slices.Compact([]int{1, min(2, procs), procs})
}

// inRounds has goroutines allocate n times together. They share out a round in pieces, so that one that
// the machine holds up does less rather than have the others wait. For each round, each of them calls
// begin, which returns what to allocate with and what to call at the end. When a round is done, one of
// them calls between, before the next. They wait for each other without going to sleep, which would
// take longer than a round.
func inRounds(goroutines, n int, begin func() (allocate func(n int), done func()), between func()) {
	each := goroutines * round
	var left, arrived, released atomic.Int64
	left.Store(int64(min(n, each)))
	one := func() {
		for turn, rest := int64(1), n-each; ; turn, rest = turn+1, rest-each {
			allocate, done := begin()
			for k := takePiece(&left, goroutines); k > 0; k = takePiece(&left, goroutines) {
				allocate(k)
			}
			done()
			if arrived.Add(1) == turn*int64(goroutines) {
				left.Store(int64(min(rest, each)))
				between()
				released.Store(turn)
			}
			for released.Load() < turn {
			}
			if rest <= 0 {
				return
			}
		}
	}
	var wg sync.WaitGroup
	for range goroutines - 1 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			one()
		}()
	}
	one()
	wg.Wait()
}

// takePiece takes a share of what is left for goroutines to do, and returns its size; 0 at the end.
// Pieces get smaller, as with OpenMP's schedule(guided): few at first, for each costs the goroutines a
// word that they share, and at the end so small that all are done at about the same time.
func takePiece(left *atomic.Int64, goroutines int) int {
	for {
		n := left.Load()
		if n <= 0 {
			return 0
		}
		piece := min(n, max(leastPiece, n/int64(2*goroutines)))
		if left.CompareAndSwap(n, n-piece) {
			return int(piece)
		}
	}
}

// simply is what a goroutine does that takes nothing of its own; nil where there is no allocate.
func simply(allocate func(n int)) func() (func(n int), func()) {
	if allocate == nil {
		return nil
	}
	return func() (func(n int), func()) { return allocate, func() {} }
}

// BenchmarkArena allocates 16 bytes again and again, frees them all now and then, and makes a new
// arena, which is part of the time. Several goroutines use one arena together, and ns/op is the time
// for all over the allocations of all: half the time with two is perfect.
func BenchmarkArena(b *testing.B) {
	calls := []struct {
		name   string
		of     func(a arena) func() (func(int), func())
		shared bool
	}{
		{"Allocate", func(a arena) func() (func(int), func()) { return simply(a.allocate) }, true},
		{"Cursor", func(a arena) func() (func(int), func()) { return a.own }, true},
		{"AllocateAligned", func(a arena) func() (func(int), func()) { return simply(a.aligned) }, false},
		{"New", func(a arena) func() (func(int), func()) { return simply(a.node) }, false},
	}
	for _, im := range implementations {
		b.Run("impl="+im.name, func(b *testing.B) {
			for _, c := range calls {
				for _, g := range goroutineCounts() {
					if g == 1 || c.shared && im.shared {
						im.run(b, fmt.Sprintf("call=%s/goroutines=%d", c.name, g), g, c.of)
					}
				}
			}
		})
	}
}

// run benchmarks one call of one implementation, if it has it.
func (im implementation) run(b *testing.B, name string, goroutines int,
	call func(a arena) func() (func(n int), func())) {
	a := im.open(goroutines * round)
	defer a.close()
	begin := call(a)
	if begin == nil {
		return
	}
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		inRounds(goroutines, b.N, begin, a.renew)
	})
}

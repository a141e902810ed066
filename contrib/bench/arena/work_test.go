package arena

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// blockSize is what every allocation asks for, in bytes, and what a node has.
const blockSize = 16

type node struct{ val, next uintptr }

// Everything is freed after so many allocations: 1 MiB with one goroutine, 16 MiB with several, whose
// start and end are to be a small part of it.
const (
	roundOfOne  = 1 << 16
	roundOfMany = 1 << 20
)

// arena is what one implementation does. Each function allocates n times, one after the other, and
// writes to what it got; one that is nil is something that the implementation does not have.
type arena struct {
	allocate func(n int) // blocks of blockSize bytes, not necessarily zero
	aligned  func(n int) // zero blocks, aligned for a struct
	node     func(n int) // nodes

	// own is allocate for a goroutine that took something of its own from the arena.
	own func(n int)

	reset func() // frees everything; the arena goes on
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

// spread shares n iterations out among goroutines, each of which runs work, and waits for all. With
// one it is work itself.
func spread(goroutines, n int, work func(iters int)) {
	if goroutines == 1 {
		work(n)
		return
	}
	var wg sync.WaitGroup
	for range goroutines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			work(n / goroutines)
		}()
	}
	wg.Wait()
}

// BenchmarkArena allocates 16 bytes again and again, and frees them all now and then, which is part
// of the time. With several goroutines, all use one arena, and ns/op is the time for all over the
// allocations of all: half the time with two is perfect.
func BenchmarkArena(b *testing.B) {
	calls := []struct {
		name   string
		of     func(a arena) func(n int)
		shared bool
	}{
		{"Allocate", func(a arena) func(int) { return a.allocate }, true},
		{"Cursor", func(a arena) func(int) { return a.own }, true},
		{"AllocateAligned", func(a arena) func(int) { return a.aligned }, false},
		{"New", func(a arena) func(int) { return a.node }, false},
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
func (im implementation) run(b *testing.B, name string, goroutines int, call func(a arena) func(n int)) {
	round := roundOfOne
	if goroutines > 1 {
		round = roundOfMany
	}
	a := im.open(round)
	defer a.close()
	allocate := call(a)
	if allocate == nil {
		return
	}
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for left := b.N; left > 0; left -= round {
			spread(goroutines, min(left, round), allocate)
			a.reset()
		}
	})
}

package alloc

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// setting is what an implementation may prepare itself for.
type setting struct {
	size       int // bytes of each block; 0: they differ
	live       int // about as many blocks are live at a time
	goroutines int // so many use it at a time
}

// bodies is the work, written out for one implementation. All methods but open and close may be
// timed; `iters` is how often they allocate and free a block. The sizes and the order have a power of
// two of entries, and are walked again from the start where they end.
type bodies interface {
	// open comes first. It fails where the implementation cannot do the work.
	open(s setting) error

	// callocFree frees each block before it allocates the next. Several goroutines may call it.
	callocFree(size, iters int)

	// fill makes count live blocks, and replace puts a new block in the place of each that `order`
	// names: allocates it, then frees the old one.
	fill(size, count int)
	replace(size int, order []uint32, iters int)

	// fillRings makes a ring of count live blocks for each goroutine, and mixed puts a new block of
	// the next size in the place of the oldest, starting with the pos-th.
	fillRings(goroutines, count int, sizes []uint32)
	mixed(g int, sizes []uint32, pos, iters int)

	// pipe allocates here and frees in another goroutine, to which the blocks go in batches, of
	// which `depth` may be under way.
	pipe(size, batch, depth, iters int) error

	check(size, count int) error

	// close frees what the others left.
	close()
}

// implementation is one of those that are compared.
type implementation struct {
	name string
	one  func() bodies
	many func() bodies // for several goroutines; nil: as one
}

var implementations []implementation

// register is for init functions, in the implementations' own files.
func register(im implementation) {
	if im.many == nil {
		im.many = im.one
	}
	implementations = append(implementations, im)
}

func (im implementation) bodies(s setting) (bodies, error) {
	make := im.one
	if s.goroutines > 1 {
		make = im.many
	}
	x := make()
	return x, x.open(s)
}

// run benchmarks one case, `name`, of one implementation. prepare is not timed, and its result serves
// all the runs by which the testing package finds b.N.
func (im implementation) run(b *testing.B, name string, s setting, prepare func(x bodies),
	work func(x bodies, n int) error) {
	var x bodies
	b.Run(name, func(b *testing.B) {
		var err error
		if x == nil {
			x, err = im.bodies(s)
			if err == nil && prepare != nil {
				prepare(x)
			}
		}
		if err == nil {
			b.ReportAllocs()
			b.ResetTimer()
			err = work(x, b.N)
		}
		if err != nil {
			// The command in the parent folder reads this line.
			fmt.Printf("left out: %s: %v\n", b.Name(), err)
			b.SkipNow()
		}
	})
	if x != nil {
		x.close()
	}
}

// each calls f for every implementation.
func each(b *testing.B, f func(b *testing.B, im implementation)) {
	for _, im := range implementations {
		b.Run("impl="+im.name, func(b *testing.B) { f(b, im) })
	}
}

// goroutineCounts are 1, 2 and GOMAXPROCS, as far as the processors go.
func goroutineCounts() []int {
	procs := runtime.GOMAXPROCS(0)
	return slices.Compact([]int{1, min(2, procs), procs})
}

// spread shares n iterations out among goroutines, and waits for all. Each runs work for a piece of
// them at a time, as in a parallel loop, so that one that the machine holds up does less rather than
// have the others wait; done is how many it has done before. n is large here, so that the end of the
// last piece does not matter. With one goroutine it is work itself.
func spread(goroutines, n int, work func(g, done, iters int)) {
	if goroutines == 1 {
		work(0, 0, n)
		return
	}
	piece := max(1, n/goroutines/64)
	var taken atomic.Int64
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for done := 0; ; done += piece {
				at := int(taken.Add(int64(piece))) - piece
				if at >= n {
					return
				}
				work(g, done, min(piece, n-at))
			}
		}()
	}
	wg.Wait()
}

// BenchmarkCalloc allocates a block and frees it, again and again. With several goroutines ns/op is
// the time for all over the blocks of all: half the time with two is perfect.
func BenchmarkCalloc(b *testing.B) {
	each(b, func(b *testing.B, im implementation) {
		for _, size := range []int{16, 32, 256, 4096, 65536} {
			for _, g := range goroutineCounts() {
				im.run(b, fmt.Sprintf("size=%d/goroutines=%d", size, g),
					setting{size: size, live: g, goroutines: g}, nil,
					func(x bodies, n int) error {
						spread(g, n, func(_, _, iters int) { x.callocFree(size, iters) })
						return nil
					})
			}
		}
	})
}

// BenchmarkReplace replaces blocks of a live set of 2^20, in random order.
func BenchmarkReplace(b *testing.B) {
	const size, live = 32, 1 << 20
	order := sync.OnceValue(func() []uint32 {
		rnd := rand.New(rand.NewPCG(3, 4))
		order := make([]uint32, 1<<22)
		for i := range order {
			order[i] = rnd.Uint32N(live)
		}
		return order
	})
	each(b, func(b *testing.B, im implementation) {
		im.run(b, fmt.Sprintf("size=%d/live=%d", size, live),
			setting{size: size, live: live, goroutines: 1},
			func(x bodies) {
				x.fill(size, live)
				x.replace(size, order(), live) // until most blocks are no longer in their first order
			},
			func(x bodies, n int) error { x.replace(size, order(), n); return nil })
	})
}

// BenchmarkProducerConsumer allocates in one goroutine and frees in another. Blocks go over in
// batches of 128, so that the channel is a small part of it.
func BenchmarkProducerConsumer(b *testing.B) {
	const size, batch, depth = 32, 128, 8
	each(b, func(b *testing.B, im implementation) {
		im.run(b, fmt.Sprintf("size=%d", size),
			setting{size: size, live: batch * depth, goroutines: 2}, nil,
			func(x bodies, n int) error { return x.pipe(size, batch, depth, n) })
	})
}

// BenchmarkMixed replaces the oldest of 2^15 live blocks, whose sizes are those of a key-value
// store's items.
func BenchmarkMixed(b *testing.B) {
	const live = 1 << 15
	each(b, func(b *testing.B, im implementation) {
		for _, g := range goroutineCounts() {
			im.run(b, fmt.Sprintf("sizes=etc/goroutines=%d", g),
				setting{live: g * live, goroutines: g},
				func(x bodies) { x.fillRings(g, live, etcSizes()) },
				func(x bodies, n int) error {
					spread(g, n, func(g, done, iters int) { x.mixed(g, etcSizes(), g*live/2+done, iters) })
					return nil
				})
		}
	})
}

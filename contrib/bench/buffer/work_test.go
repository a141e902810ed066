package buffer

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// implementation is one of those that are compared. Each function is one work; one that is nil is a
// work that the implementation does not do.
type implementation struct {
	name string

	// write writes p to a buffer n times, and slices makes n records of 8 bytes in one and writes to
	// each. Both empty the buffer whenever it has filling bytes.
	write  func(p []byte, n int)
	slices func(n int)

	// iterate makes a buffer of count records of 8 bytes, of which the i-th begins with byte i, and
	// returns the ways to look at the first byte of each, which return the last, by their names.
	iterate func(count int) (walks map[string]func() (last byte), close func())

	// grow makes a buffer of 64 bytes and writes p to it until it has n bytes: in memory, or in a
	// file in dir from the start.
	grow     func(p []byte, n int)
	growFile func(p []byte, n int, dir string)

	// The sorts that it has, by order.
	sorts map[order][]sorter
}

// order is what records are to be sorted by.
type order string

const (
	byUint64 order = "uint64" // as little-endian integers of 8 bytes
	byBytes  order = "bytes"  // as bytes, of different lengths
)

// sorter is one way to sort.
type sorter struct {
	call string
	// open takes in the records that fill calls its argument with. The rest of what happens is in
	// the functions that it returns, of which only sort is timed.
	open func(fill func(add func(record []byte))) sorting
}

type sorting struct {
	sort    func()
	records func(yield func(record []byte) bool) // in their order now
	close   func()
}

// filling is how many bytes a buffer takes in until it is emptied: few enough for a processor's
// cache.
const filling = 1 << 18

var implementations []implementation

// register is for init functions, in the implementations' own files.
func register(im implementation) { implementations = append(implementations, im) }

// each calls f for every implementation that does the work.
func each(b *testing.B, does func(im implementation) bool, f func(b *testing.B, im implementation)) {
	for _, im := range implementations {
		if does(im) {
			b.Run("impl="+im.name, func(b *testing.B) { f(b, im) })
		}
	}
}

// BenchmarkBufferWrite writes 64 bytes at a time.
func BenchmarkBufferWrite(b *testing.B) {
	each(b, func(im implementation) bool { return im.write != nil }, func(b *testing.B, im implementation) {
		b.Run("size=64", func(b *testing.B) { im.write(make([]byte, 64), b.N) })
	})
}

// BenchmarkBufferSlice makes records of 8 bytes in place.
func BenchmarkBufferSlice(b *testing.B) {
	each(b, func(im implementation) bool { return im.slices != nil }, func(b *testing.B, im implementation) {
		b.Run("size=8", func(b *testing.B) { im.slices(b.N) })
	})
}

// BenchmarkBufferIterate walks records of 8 bytes; the time is for one.
func BenchmarkBufferIterate(b *testing.B) {
	const count = 1 << 16
	each(b, func(im implementation) bool { return im.iterate != nil }, func(b *testing.B, im implementation) {
		walks, done := im.iterate(count)
		defer done()
		for call, walk := range walks {
			b.Run("size=8/call="+call, func(b *testing.B) {
				for left := b.N; left > 0; left -= count {
					if walk() != (count-1)&0xff {
						b.Fatal("not all records")
					}
				}
			})
		}
	})
}

// BenchmarkBufferGrow grows a buffer from 64 bytes to 1 GiB (16 MiB with -short) by writing 64 KiB at
// a time; the time is for the whole.
func BenchmarkBufferGrow(b *testing.B) {
	size := 1 << 30
	if testing.Short() {
		size = 16 << 20
	}
	p := make([]byte, 64<<10)
	each(b, func(im implementation) bool { return im.grow != nil }, func(b *testing.B, im implementation) {
		b.Run("in=memory", func(b *testing.B) {
			im.grow(p, size) // so that the pages are there: a virtual machine may have to get them first
			b.ResetTimer()
			for range b.N {
				im.grow(p, size)
			}
		})
		if im.growFile != nil {
			dir := b.TempDir()
			b.Run("in=file", func(b *testing.B) {
				im.growFile(p, size, dir)
				b.ResetTimer()
				for range b.N {
					im.growFile(p, size, dir)
				}
			})
		}
	})
}

// BenchmarkBufferSort sorts 5 million records (50,000 with -short): of 8 random bytes as integers,
// and of 8 to 39 random bytes as bytes. The time is for the whole, without filling the buffer.
func BenchmarkBufferSort(b *testing.B) {
	count := 5_000_000
	if testing.Short() {
		count /= 100
	}
	each(b, func(im implementation) bool { return im.sorts != nil }, func(b *testing.B, im implementation) {
		for _, by := range []order{byUint64, byBytes} {
			for _, s := range im.sorts[by] {
				b.Run(fmt.Sprintf("by=%s/call=%s", by, s.call), func(b *testing.B) {
					for range b.N {
						b.StopTimer()
						x := s.open(records(by, count))
						b.StartTimer()
						x.sort()
						b.StopTimer()
						x.close()
						b.StartTimer()
					}
				})
			}
		}
	})
}

// records yields count random records, always the same, which are valid during the call only.
func records(by order, count int) func(add func([]byte)) {
	return func(add func([]byte)) {
		rnd := rand.New(rand.NewPCG(5, 6))
		buf := make([]byte, 40)
		for range count {
			n := 8
			if by == byBytes {
				n = 8 + rnd.IntN(32)
			}
			for i := 0; i < n; i += 8 {
				binary.LittleEndian.PutUint64(buf[i:], rnd.Uint64())
			}
			add(buf[:n])
		}
	}
}

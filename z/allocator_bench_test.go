package z_test

import (
	"sync"
	"testing"

	"github.com/zmem-go/zmem/z"
)

type pair [2]int64

// BenchmarkAllocator times allocations of 16 bytes, from an Allocator that is emptied each MiB, but
// for those from the Go heap.
func BenchmarkAllocator(b *testing.B) {
	const round = 1 << 16
	a := z.NewAllocator(4 << 20)
	defer a.Release()
	k := a.Cursor()
	var sum int
	run := func(name string, allocate func(n int)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for n := b.N; n > 0; n -= round {
				a.Reset()
				allocate(min(n, round))
			}
		})
	}
	run("impl=zmem/call=Allocate", func(n int) {
		for range n {
			sum += len(a.Allocate(16))
		}
	})
	run("impl=zmem/call=AllocateAlign64", func(n int) {
		for range n / 4 {
			sum += len(a.AllocateAlign(16, 64))
		}
	})
	run("impl=zmem/call=New", func(n int) {
		for range n {
			z.New[pair](a)[0] = 1
		}
	})
	run("impl=zmem/call=Cursor.Allocate", func(n int) {
		for range n {
			sum += len(k.Allocate(16))
		}
	})
	run("impl=zmem/call=NewIn", func(n int) {
		for range n {
			z.NewIn[pair](k)[0] = 1
		}
	})
	var sink *pair
	run("impl=go/call=new", func(n int) {
		for range n {
			sink = new(pair)
			sink[0] = 1
		}
	})
	both := func(one func(n int)) func(int) {
		return func(n int) {
			var wg sync.WaitGroup
			for range 2 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					one(n / 2)
				}()
			}
			wg.Wait()
		}
	}
	run("impl=zmem/call=Allocate/goroutines=2", both(func(n int) {
		m := 0
		for range n {
			m += len(a.Allocate(16))
		}
	}))
	run("impl=zmem/call=Cursor.Allocate/goroutines=2", both(func(n int) {
		k := a.Cursor()
		m := 0
		for range n {
			m += len(k.Allocate(16))
		}
		k.Close()
	}))
}

//go:build jemalloc

package buffer

import (
	"github.com/dgraph-io/ristretto/v2/z"
)

func init() {
	register(implementation{
		name:     "ristretto",
		write:    writeRistretto,
		slices:   slicesRistretto,
		iterate:  iterateRistretto,
		grow:     growRistretto,
		growFile: growFileRistretto,
		sorts: map[order][]sorter{
			byUint64: {{"SortSlice", openRistrettoSort(lessUint64)}},
			byBytes:  {{"SortSlice", openRistrettoSort(lessBytes)}},
		},
	})
}

func writeRistretto(p []byte, n int) {
	b := z.NewBuffer(filling, "bench")
	defer must(b.Release)
	for range n {
		if b.LenNoPadding() >= filling {
			b.Reset()
		}
		if _, err := b.Write(p); err != nil {
			panic(err)
		}
	}
}

func slicesRistretto(n int) {
	b := z.NewBuffer(filling, "bench")
	defer must(b.Release)
	for range n {
		if b.LenNoPadding() >= filling {
			b.Reset()
		}
		b.SliceAllocate(8)[0] = 1
	}
}

func iterateRistretto(count int) (walks map[string]func() (last byte), close func()) {
	b := z.NewBuffer(16*count, "bench")
	for i := range count {
		b.SliceAllocate(8)[0] = byte(i)
	}
	return map[string]func() (last byte){
		"SliceIterate": func() (last byte) {
			_ = b.SliceIterate(func(r []byte) error {
				last = r[0]
				return nil
			})
			return last
		},
	}, func() { must(b.Release) }
}

func growRistretto(p []byte, n int) { fillRistretto(z.NewBuffer(64, "bench"), p, n) }

func growFileRistretto(p []byte, n int, dir string) {
	b, err := z.NewBufferTmp(dir, 64)
	if err != nil {
		panic(err)
	}
	fillRistretto(b, p, n)
}

func fillRistretto(b *z.Buffer, p []byte, n int) {
	defer must(b.Release)
	for b.LenNoPadding() < n {
		if _, err := b.Write(p); err != nil {
			panic(err)
		}
	}
}

func openRistrettoSort(less func(l, r []byte) bool) func(func(func([]byte))) sorting {
	return func(fill func(add func([]byte))) sorting {
		b := z.NewBuffer(64<<20, "bench")
		fill(b.WriteSlice)
		return sorting{
			sort: func() { b.SortSlice(less) },
			records: func(yield func([]byte) bool) {
				for off := b.StartOffset(); off >= 0; {
					var r []byte
					if r, off = b.Slice(off); len(r) == 0 || !yield(r) {
						return
					}
				}
			},
			close: func() { must(b.Release) },
		}
	}
}

package buffer

import (
	"bytes"
	"encoding/binary"

	"github.com/zmem-go/zmem/z"
)

func init() {
	bySlice := func(less z.LessFunc) sorter {
		return sorter{"SortSlice", openZmemSort(func(b *z.Buffer) error { b.SortSlice(less); return nil })}
	}
	register(implementation{
		name:     "zmem",
		write:    writeZmem,
		slices:   slicesZmem,
		iterate:  iterateZmem,
		grow:     growZmem,
		growFile: growFileZmem,
		sorts: map[order][]sorter{
			byUint64: {
				{"SortUint64", openZmemSort(func(b *z.Buffer) error { return b.SortUint64(0) })},
				bySlice(lessUint64),
			},
			byBytes: {
				{"SortBytes", openZmemSort((*z.Buffer).SortBytes)},
				bySlice(lessBytes),
			},
		},
	})
}

func writeZmem(p []byte, n int) {
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

func slicesZmem(n int) {
	b := z.NewBuffer(filling, "bench")
	defer must(b.Release)
	for range n {
		if b.LenNoPadding() >= filling {
			b.Reset()
		}
		b.SliceAllocate(8)[0] = 1
	}
}

func iterateZmem(count int) (walks map[string]func() (last byte), close func()) {
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
		"Records": func() (last byte) {
			for r := range b.Records() {
				last = r[0]
			}
			return last
		},
	}, func() { must(b.Release) }
}

func growZmem(p []byte, n int) { fillZmem(z.NewBuffer(64, "bench"), p, n) }

func growFileZmem(p []byte, n int, dir string) {
	b, err := z.NewBufferTmp(dir, 64)
	if err != nil {
		panic(err)
	}
	fillZmem(b, p, n)
}

func fillZmem(b *z.Buffer, p []byte, n int) {
	defer must(b.Release)
	for b.LenNoPadding() < n {
		if _, err := b.Write(p); err != nil {
			panic(err)
		}
	}
}

func openZmemSort(sort func(b *z.Buffer) error) func(func(func([]byte))) sorting {
	return func(fill func(add func([]byte))) sorting {
		b := z.NewBuffer(64<<20, "bench")
		fill(b.WriteSlice)
		return sorting{
			sort:    func() { must(func() error { return sort(b) }) },
			records: b.Records(),
			close:   func() { must(b.Release) },
		}
	}
}

func must(f func() error) {
	if err := f(); err != nil {
		panic(err)
	}
}

func lessUint64(l, r []byte) bool {
	return binary.LittleEndian.Uint64(l) < binary.LittleEndian.Uint64(r)
}

func lessBytes(l, r []byte) bool { return bytes.Compare(l, r) < 0 }

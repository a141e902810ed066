package z

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zmem-go/zmem/c"
)

func byUint64(l, r []byte) bool {
	return binary.LittleEndian.Uint64(l) < binary.LittleEndian.Uint64(r)
}

func BenchmarkSort(b *testing.B) {
	const records = 5_000_000
	for _, size := range []struct {
		name   string
		lo, hi int
	}{{"8", 8, 8}, {"8-39", 8, 39}} {
		rnd := rand.New(rand.NewPCG(1, 2))
		n := 0
		unsorted := Calloc(records * (8 + size.hi))
		for range records {
			m := size.lo + rnd.IntN(size.hi-size.lo+1)
			binary.LittleEndian.PutUint64(unsorted[n:], uint64(m))
			for i := 0; i < m; i += 8 {
				var word [8]byte
				binary.LittleEndian.PutUint64(word[:], rnd.Uint64())
				copy(unsorted[n+8+i:n+8+m], word[:])
			}
			n += 8 + m
		}
		data := Calloc(n)
		for _, sort := range []struct {
			name    string
			scratch int
			f       func(scratch []byte) error
		}{
			{"bytes", int(c.SortScratch(uintptr(n))), func(scratch []byte) error { return sortKeys(data, scratch, c.SortBytes, 0) }},
			{"uint64", int(c.SortScratch(uintptr(n))), func(scratch []byte) error { return sortKeys(data, scratch, c.SortUint64, 0) }},
			{"less", sortScratch(n, 1), func(scratch []byte) error { return sortRecords(data, scratch, byUint64, 1) }},
			{"less-parallel", sortScratch(n, 2), func(scratch []byte) error { return sortRecords(data, scratch, byUint64, 2) }},
		} {
			b.Run(fmt.Sprintf("impl=%s/records=5M/size=%s", sort.name, size.name), func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					b.StopTimer()
					copy(data, unsorted[:n])
					b.StartTimer()
					scratch := Calloc(sort.scratch)
					if err := sort.f(scratch); err != nil {
						b.Fatal(err)
					}
					Free(scratch)
				}
			})
		}
		Free(data)
		Free(unsorted)
	}
}

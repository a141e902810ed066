package buffer

import (
	"bytes"
	"testing"
)

// Whoever does less than the others wins: each must keep all records, and put them in order.
func TestImplementations(t *testing.T) {
	const count = 3000
	for _, im := range implementations {
		if im.iterate != nil {
			walks, done := im.iterate(count)
			for call, walk := range walks {
				if got := walk(); got != (count-1)&0xff {
					t.Errorf("%s, %s: the last record begins with %d", im.name, call, got)
				}
			}
			done()
		}
		for by, sorters := range im.sorts {
			less := lessUint64
			if by == byBytes {
				less = lessBytes
			}
			for _, s := range sorters {
				x := s.open(records(by, count))
				x.sort()
				n, size, last := 0, 0, []byte(nil)
				for r := range x.records {
					if last != nil && less(r, last) {
						t.Fatalf("%s: %s: record %d is out of order", im.name, s.call, n)
					}
					n, size, last = n+1, size+len(r), bytes.Clone(r)
				}
				x.close()
				want := 0
				records(by, count)(func(r []byte) { want += len(r) })
				if n != count || size != want {
					t.Errorf("%s: %s: %d records of %d bytes, want %d of %d", im.name, s.call, n, size, count, want)
				}
			}
		}
		if im.write != nil {
			im.write(make([]byte, 64), count)
		}
		if im.slices != nil {
			im.slices(count)
		}
		if im.grow != nil {
			im.grow(make([]byte, 64<<10), 1<<20)
		}
		if im.growFile != nil {
			im.growFile(make([]byte, 64<<10), 1<<20, t.TempDir())
		}
	}
}

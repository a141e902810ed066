package buffer

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// bytes.Buffer, and records as slices on the Go heap that are sorted by pointers to them.
func init() {
	register(implementation{
		name:  "go",
		write: writeGo,
		grow:  growGo,
		sorts: map[order][]sorter{
			byUint64: {{"SortFunc", openGoSort(func(l, r *[]byte) int {
				return cmp.Compare(binary.LittleEndian.Uint64(*l), binary.LittleEndian.Uint64(*r))
			})}},
			byBytes: {{"SortFunc", openGoSort(func(l, r *[]byte) int { return bytes.Compare(*l, *r) })}},
		},
	})
}

func writeGo(p []byte, n int) {
	b := bytes.NewBuffer(make([]byte, 0, filling+len(p)))
	for range n {
		if b.Len() >= filling {
			b.Reset()
		}
		b.Write(p)
	}
}

func growGo(p []byte, n int) {
	b := bytes.NewBuffer(make([]byte, 0, 64))
	for b.Len() < n {
		b.Write(p)
	}
}

func openGoSort(compare func(l, r *[]byte) int) func(func(func([]byte))) sorting {
	return func(fill func(add func([]byte))) sorting {
		var all []*[]byte
		fill(func(r []byte) {
			r = bytes.Clone(r)
			all = append(all, &r)
		})
		return sorting{
			sort: func() { slices.SortFunc(all, compare) },
			records: func(yield func([]byte) bool) {
				for _, r := range all {
					if !yield(*r) {
						return
					}
				}
			},
			close: func() {},
		}
	}
}

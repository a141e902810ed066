//go:build leak

package ztest

import (
	"slices"

	"github.com/zmem-go/zmem/c"
	"github.com/zmem-go/zmem/z"
)

// chunksOf is the memory of an Allocator, at the site of who made it.
func chunksOf(a *z.Allocator) memory {
	blocks := make([]c.LeakBlock, 64)
	n := c.LeakBlocks(blocks)
	for n > len(blocks) {
		blocks = make([]c.LeakBlock, 2*n)
		n = c.LeakBlocks(blocks)
	}
	var m memory
	for _, b := range blocks[:n] {
		if b.Ref == a.Ref {
			m.add(z.LeakSite{Blocks: 1, Tag: b.Site.Tag(), Stack: slices.Clone(b.Site.PCs())})
		}
	}
	for k, s := range m.sites { // all chunks have one site
		s.Bytes = int64(a.Allocated())
		m.sites[k], m.bytes = s, s.Bytes
	}
	return m
}

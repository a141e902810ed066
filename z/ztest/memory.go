package ztest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zmem-go/zmem/c"
	"github.com/zmem-go/zmem/z"
)

// memory is how much there is, in all and, with the leak tag, at each site.
type memory struct {
	bytes, blocks int64
	sites         map[string]z.LeakSite
}

// live is all that is live.
func live() memory {
	m := memory{bytes: z.NumAllocBytes(), blocks: z.NumAllocs()}
	if z.LeakTracking {
		m = memory{}
		for _, s := range z.LeakSites() {
			m.add(s)
		}
	}
	return m
}

func (m *memory) add(s z.LeakSite) {
	if m.sites == nil {
		m.sites = map[string]z.LeakSite{}
	}
	k := key(s)
	sum := s
	sum.Bytes += m.sites[k].Bytes
	sum.Blocks += m.sites[k].Blocks
	m.sites[k] = sum
	m.bytes += s.Bytes
	m.blocks += s.Blocks
}

func key(s z.LeakSite) string { return fmt.Sprintf("%q %x", s.Tag, s.Stack) }

// plus is m and n together.
func (m memory) plus(n memory) memory {
	sum := memory{m.bytes + n.bytes, m.blocks + n.blocks, maps.Clone(m.sites)}
	for k, s := range n.sites {
		if sum.sites == nil {
			sum.sites = map[string]z.LeakSite{}
		}
		s.Bytes += sum.sites[k].Bytes
		s.Blocks += sum.sites[k].Blocks
		sum.sites[k] = s
	}
	return sum
}

// minus is m without n. Numbers may be negative.
func (m memory) minus(n memory) memory {
	less := memory{bytes: -n.bytes, blocks: -n.blocks, sites: maps.Clone(n.sites)}
	for k, s := range less.sites {
		s.Bytes, s.Blocks = -s.Bytes, -s.Blocks
		less.sites[k] = s
	}
	return m.plus(less)
}

// only is what there is of m, at sites with one of the tags; at all of them where tags is nil.
// Without the leak tag there are no sites, and it is m.
func (m memory) only(tags []string) memory {
	if !z.LeakTracking {
		return m
	}
	var out memory
	for _, s := range m.sites {
		if (s.Bytes > 0 || s.Blocks > 0) && (tags == nil || hasTag(tags, s.Tag)) {
			out.add(s)
		}
	}
	return out
}

// hasTag reports whether tag, as a site has it, cut at c.MaxTag bytes, is one of the tags.
func hasTag(tags []string, tag string) bool {
	return slices.ContainsFunc(tags, func(t string) bool { return t[:min(len(t), c.MaxTag)] == tag })
}

// within is as much of m as there is in n.
func (m memory) within(n memory) memory {
	if !z.LeakTracking {
		return memory{bytes: min(m.bytes, n.bytes), blocks: min(m.blocks, n.blocks)}
	}
	var out memory
	for k, s := range m.sites {
		s.Bytes, s.Blocks = min(s.Bytes, n.sites[k].Bytes), min(s.Blocks, n.sites[k].Blocks)
		if s.Bytes > 0 || s.Blocks > 0 {
			out.add(s)
		}
	}
	return out
}

func (m memory) empty() bool { return m.bytes <= 0 && m.blocks <= 0 }

func (m memory) brief() string {
	return fmt.Sprintf("%d bytes of manual memory were not freed (blocks: %d)", m.bytes, m.blocks)
}

func (m memory) String() string {
	var out strings.Builder
	out.WriteString(m.brief())
	if !z.LeakTracking {
		out.WriteString("; go test -tags leak says who allocated them")
	}
	for _, s := range slices.SortedFunc(maps.Values(m.sites), func(a, b z.LeakSite) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), slices.Compare(a.Stack, b.Stack))
	}) {
		out.WriteString("\n" + strings.TrimSuffix(s.String(), "\n"))
	}
	return out.String()
}

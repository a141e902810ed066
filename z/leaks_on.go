//go:build leak

package z

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/zmem-go/zmem/c"
)

// LeakTracking says whether this program was built with the leak tag.
const LeakTracking = true

// Leaks lists the manual memory that is live, a line a call site, the one with the most bytes
// first, and under it the rest of the stack that allocated it:
//
//	LEAK: 128 at func: main.load load.go:91 (1 block, tag "index")
//	    main.main main.go:12
//
// Sizes are in bytes, as asked for. Blocks of one call site with different tags or callers are
// listed apart. Called while other goroutines allocate, it may miss what they are doing.
//
// Before them stands what has a Release and, as the last garbage collection found, became
// unreachable without it; the memory itself is among the leaks:
//
//	UNREACHABLE: 4096 bytes, never released: 1 x Buffer from func: main.load load.go:87
//	UNREACHABLE: 512 bytes, never released: 1 x Allocator (except by its Ref) from func: main.a a.go:9
//
// An Allocator is no longer listed so once AllocatorFrom has found it.
func Leaks() string {
	var out strings.Builder
	out.WriteString(unreleased())
	for _, s := range LeakSites() {
		out.WriteString(s.String())
	}
	if out.Len() == 0 {
		return "no leaks found\n"
	}
	return out.String()
}

// LeakSites is what Leaks lists, for programs to read, in the same order.
func LeakSites() []LeakSite {
	live := listLive(c.LeakSites)
	sites := make([]LeakSite, len(live))
	for i, l := range live {
		sites[i] = LeakSite{l.Bytes, l.Objects, l.Site.Tag(), slices.Clone(l.Site.PCs())}
	}
	slices.SortFunc(sites, func(a, b LeakSite) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Blocks, a.Blocks),
			slices.Compare(a.Stack, b.Stack))
	})
	return sites
}

// listLive is all that list, which says how many there are, has.
func listLive[T any](list func([]T) int) []T {
	live := make([]T, 64)
	for {
		n := list(live)
		if n <= len(live) {
			return live[:n]
		}
		live = make([]T, 2*n)
	}
}

// freeFault says what is wrong with a Free of n bytes at p.
func freeFault(p, n uintptr, f *c.LeakFault) string {
	var out strings.Builder
	fmt.Fprintf(&out, "z: Free: %d bytes at %#x: ", n, p)
	switch f.Kind {
	case c.FaultFreed:
		fmt.Fprintf(&out, "freed already, a block of %d bytes", f.Size)
	case c.FaultInterior:
		fmt.Fprintf(&out, "not the start of a block, but %d bytes into one of %d bytes",
			p-f.Block, f.Size)
	case c.FaultSize:
		fmt.Fprintf(&out, "a block of %d bytes: pass the slice with the capacity it came with", f.Size)
	default:
		out.WriteString("not live manual memory")
	}
	if f.AllocSite != nil {
		out.WriteString("\nallocated by:\n")
		writeStack(&out, frames(f.AllocSite.PCs()))
	}
	if f.FreeSite != nil {
		out.WriteString("\nfreed by:\n")
		writeStack(&out, frames(f.FreeSite.PCs()))
	}
	return out.String()
}

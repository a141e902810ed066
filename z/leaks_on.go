//go:build leak

package z

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/zmem-go/zmem/c"
)

// Leaks lists the manual memory that is live, a line a call site, the one with the most bytes
// first, and under it the rest of the stack that allocated it:
//
//	LEAK: 128 at func: main.load load.go:91 (1 block, tag "index")
//	    main.main main.go:12
//
// Sizes are in bytes, as asked for. Blocks of one call site with different tags or callers are
// listed apart. Called while other goroutines allocate, it may miss what they are doing.
func Leaks() string {
	live := liveSites()
	if len(live) == 0 {
		return "no leaks found\n"
	}
	var out strings.Builder
	for _, l := range live {
		stack := frames(l.Site)
		fmt.Fprintf(&out, "LEAK: %d at func: %s (%s", l.Bytes, stack[0], count(l.Objects, "block"))
		if tag := l.Site.Tag(); tag != "" {
			fmt.Fprintf(&out, ", tag %q", tag)
		}
		out.WriteString(")\n")
		writeStack(&out, stack[1:])
	}
	return out.String()
}

// liveSites lists the sites that hold memory, most bytes first.
func liveSites() []c.LeakLive {
	live := make([]c.LeakLive, 64)
	for {
		n := c.LeakSites(live)
		if n <= len(live) {
			live = live[:n]
			break
		}
		live = make([]c.LeakLive, 2*n)
	}
	slices.SortFunc(live, func(a, b c.LeakLive) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Objects, a.Objects),
			slices.Compare(a.Site.PCs(), b.Site.PCs()))
	})
	return live
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
		writeStack(&out, frames(f.AllocSite))
	}
	if f.FreeSite != nil {
		out.WriteString("\nfreed by:\n")
		writeStack(&out, frames(f.FreeSite))
	}
	return out.String()
}

func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

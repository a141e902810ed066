package z

import (
	"runtime"
	"slices"
	"testing"

	"github.com/zmem-go/zmem/c"
)

// atDepth calls f with n calls of itself below it.
//
//go:noinline
func atDepth(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	atDepth(n-1, f)
}

// The stack of a site is what runtime.Callers says, the first time and when it is known, wherever the
// stack is by then, and for stacks that are too deep to be kept whole.
func TestSiteOf_HasTheStack(t *testing.T) {
	for _, depth := range []int{0, 1, 10, 50, 60, 61, 62, 63, 64, 65, 200, 10_000} {
		var first *c.Site
		for range 3 {
			atDepth(depth, func() {
				site := siteOf(0, "depth")
				var pcs [c.MaxStack]uintptr
				want := pcs[:runtime.Callers(1, pcs[:])]
				if site == nil || len(site.PCs()) != len(want) || !slices.Equal(site.PCs()[1:], want[1:]) {
					t.Fatalf("at depth %d: another stack", depth)
				}
				if first == nil {
					first = site
				}
				if site != first {
					t.Errorf("at depth %d: another site", depth)
				}
			})
		}
	}
}

//go:noinline
func siteOfCaller(tag string) *c.Site { return siteOf(1, tag) }

func inlined(tag string) *c.Site { return siteOfCaller(tag) }

func TestSiteOf_TellsApart(t *testing.T) {
	tags := []string{"", "a", "b", "ab", "a\x00"}
	var known []*c.Site
	for round := range 3 {
		var sites []*c.Site
		for _, tag := range tags {
			sites = append(sites, siteOfCaller(tag))
			sites = append(sites, siteOfCaller(tag)) // on another line
			sites = append(sites, inlined(tag), inlined(tag))
			func() { sites = append(sites, siteOfCaller(tag)) }()
			for depth := range 2 {
				atDepth(depth, func() { sites = append(sites, siteOfCaller(tag)) })
			}
		}
		for i, s := range sites {
			if s == nil || slices.Contains(sites[:i], s) {
				t.Fatalf("round %d: site %d of %d is nil, or another's", round, i, len(sites))
			}
			if tag := tags[i/(len(sites)/len(tags))]; s.Tag() != tag {
				t.Errorf("tagged %q, not %q", s.Tag(), tag)
			}
		}
		if round > 0 && !slices.Equal(sites, known) {
			t.Errorf("round %d: other sites", round)
		}
		known = sites
	}
}

// turn calls itself on one of two lines for each letter, and then returns the site.
//
//go:noinline
func turn(way string) *c.Site {
	switch {
	case way == "":
		return siteOf(0, "turns")
	case way[0] == 'a':
		return turn(way[1:])
	default:
		return turn(way[1:])
	}
}

// The order of the calls counts, and how often each is there.
func TestSiteOf_TellsOrdersApart(t *testing.T) {
	ways := []string{"ab", "ba", "aab", "aba", "baa", "abab", "baba", "aabb"}
	for range 2 {
		seen := map[*c.Site]string{}
		for _, way := range ways {
			site := turn(way)
			if other, known := seen[site]; known {
				t.Errorf("%s has the site of %s", way, other)
			}
			seen[site] = way
		}
	}
}

type walker interface{ walk(n int, f func()) }

type step struct {
	next walker
	_    [10]int
}

func (s step) walk(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	s.next.walk(n-1, f)
}

// A method of a value has a function around it where it is called by a pointer, which runtime.Callers
// leaves out.
func TestSiteOf_TellsApartBeyondWrappers(t *testing.T) {
	var sites []*c.Site
	s := new(step)
	s.next = s
	for range 2 {
		s.next.walk(50, func() { sites = append(sites, siteOf(0, "wrapped")) })
		s.next.walk(50, func() { sites = append(sites, siteOf(0, "wrapped")) })
	}
	if sites[0] == sites[1] || sites[0] != sites[2] || sites[1] != sites[3] {
		t.Errorf("%p", sites)
	}
}

//go:noinline
func fault(p *[2]int) int { return p[1] }

// A function that calls none has no frame from which to learn who called it.
func TestSiteOf_TellsApartAfterAFault(t *testing.T) {
	faultOn := func(line int) (site *c.Site) {
		defer func() {
			_ = recover()
			site = siteOf(0, "fault")
		}()
		if line == 0 {
			fault(nil)
		} else {
			fault(nil)
		}
		return nil
	}
	var sites []*c.Site
	for i := range 4 {
		sites = append(sites, faultOn(i%2))
	}
	if sites[0] == sites[1] || sites[0] != sites[2] || sites[1] != sites[3] {
		t.Errorf("%p", sites)
	}
}

// Stacks that have the same place in knownSites, and goroutines that look there at once.
func TestSiteOf_Concurrently(t *testing.T) {
	done := make(chan bool)
	for g := range 4 {
		go func() {
			ok := true
			for i := range 20_000 {
				tag := string(rune('a' + i*(g+1)%5000))
				ok = siteOf(0, tag).Tag() == tag && ok
			}
			done <- ok
		}()
	}
	for range 4 {
		if !<-done {
			t.Error("another tag's site")
		}
	}
}

func BenchmarkSiteOf(b *testing.B) {
	for b.Loop() {
		siteOf(0, "tag")
	}
}

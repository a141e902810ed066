package ztest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

// Check fails the test where it leaves manual memory behind, and says whose. It stands at the start
// of the test, not deferred, and takes what is live then for its base. It looks when the test and its
// deferred functions, its subtests and its cleanups are done:
//
//	func TestIndex(t *testing.T) {
//		ztest.Check(t)
//		x := openIndex(t) // t.Cleanup(x.Close)
//		...
//	}
//
// Cleanups run in the reverse of the order in which they were registered. So those that are
// registered after Check run before it looks; one that was registered before Check runs after it,
// and Check reports what that one is yet to free. Called in a cleanup, Check fails the test: it is too
// late for a base.
//
// A leak that Check reports is not reported again, by another Check or Verify function of this
// process. Without the leak tag, which knows the blocks of each site, that goes by the numbers of
// bytes and blocks alone; see VerifyNone.
//
// See the package for tests that run in parallel. Check may be called in benchmarks and in the
// functions that a fuzz test runs, too.
func Check(t testing.TB, opts ...Option) {
	t.Helper()
	for f := range callers() {
		if f.Function == "testing.(*common).runCleanup" {
			t.Error("ztest: Check was called in a cleanup, when the test was over: call it at its start")
			return
		}
	}
	o := optionsOf(opts)
	if o.taken == (caller{}) {
		o.since = now()
	}
	c := &check{name: t.Name(), options: o}
	c.claims = []claim{c.claim()}
	mu.Lock()
	running = append(running, c)
	mu.Unlock()
	t.Cleanup(func() {
		t.Helper()
		if err := c.finish(tests); err != nil {
			t.Error(err)
		}
	})
}

// Who is told what a check finds: somebody who asks, or the tests, which are told of each leak once.
type audience bool

const (
	nobody audience = false
	tests  audience = true
)

var (
	mu       sync.Mutex // guards what follows, and the claims of those who run
	running  []*check   // from Check until what it registered has ended
	reported ledger
)

// ledger is what tests were failed for and is still live.
type ledger struct {
	blocks     memory
	allocators []told
}

// told is an Allocator that a test was failed for. How many blocks its chunks are, only the leak tag
// knows.
type told struct {
	a      *z.Allocator
	chunks memory
}

// all is the memory of everything in the ledger.
func (l ledger) all() memory {
	sum := l.blocks
	for _, t := range l.allocators {
		sum = sum.plus(t.chunks)
	}
	return sum
}

func (l ledger) has(a *z.Allocator) bool {
	return slices.ContainsFunc(l.allocators, func(t told) bool { return t.a == a })
}

// update forgets what is no longer live.
func (l *ledger) update(live memory) {
	l.allocators = slices.DeleteFunc(slices.Clone(l.allocators), func(t told) bool { return isReleased(t.a) })
	l.blocks = l.blocks.within(live.minus(ledger{allocators: l.allocators}.all()))
}

// isReleased reports whether a has nothing to release, any more.
func isReleased(a *z.Allocator) bool { return a == nil || z.AllocatorFrom(a.Ref) == nil }

// mark is a moment: what was live, and what tests had been failed for.
type mark struct{ live, reported memory }

func now() mark {
	mu.Lock()
	defer mu.Unlock()
	m := live()
	reported.update(m)
	return mark{m, reported.all()}
}

// check is a call of Check, Find or VerifyNone.
type check struct {
	options
	name   string // of the test
	claims []claim
}

// claim is what somebody is to look at: at first the check for whose test it was made, but another
// one, which ends later, where that runs at the same time.
type claim struct {
	test       string
	since      mark
	memory     bool     // whether other memory than Allocators is looked at
	tags       []string // which; nil for all
	allocators []*z.Allocator
}

func (c *check) claim() claim {
	k := claim{test: c.name, since: c.since, tags: c.tags, allocators: c.allocators}
	k.memory = c.tags != nil || c.allocators == nil
	return k
}

// finish waits until nothing is left of what c is to look at, or its time is over or it is another's
// to look at. It returns what is left, and remembers it where the audience is tests.
func (c *check) finish(who audience) error {
	deadline := time.Now().Add(c.wait)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		over := !time.Now().Before(deadline)
		if done, err := c.look(who, over); done {
			return err
		}
		time.Sleep(pause)
	}
}

// look is finish without waiting; done reports whether that was all, as it is where time is over.
func (c *check) look(who audience, over bool) (done bool, err error) {
	mu.Lock()
	defer mu.Unlock()
	if who == tests {
		c.handOver()
	}
	all := live()
	reported.update(all)
	ledger := reported
	var found []string
	for _, k := range c.claims {
		found = append(found, k.find(all, &ledger)...)
	}
	if len(found) > 0 && !over {
		return false, nil
	}
	running = slices.DeleteFunc(running, func(r *check) bool { return r == c })
	if len(found) == 0 {
		return true, nil
	}
	if names := c.names(); len(names) > 1 {
		found = append(found, "by one of these tests, which ran at the same time: "+strings.Join(names, ", "))
	}
	if who == tests {
		reported = ledger
	}
	return true, errors.New(strings.Join(found, "\n"))
}

// names are those of the tests whose claims c has, and its own.
func (c *check) names() []string {
	names := []string{c.name}
	for _, k := range c.claims {
		names = append(names, k.test)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// handOver gives the claims that memory of a running test could be taken for to that test.
func (c *check) handOver() {
	c.claims = slices.DeleteFunc(c.claims, func(k claim) bool {
		for _, other := range running {
			if other != c && k.mayHold(other) {
				other.claims = append(other.claims, k)
				return true
			}
		}
		return false
	})
}

// mayHold reports whether k may find memory that is that of the other's test, which is neither k's nor
// around or inside of it.
func (k claim) mayHold(other *check) bool {
	if !k.memory || within(k.test, other.name) || within(other.name, k.test) {
		return false
	}
	if k.tags == nil || !z.LeakTracking {
		return true
	}
	return slices.ContainsFunc(other.tags, func(t string) bool { return slices.Contains(k.tags, t) })
}

// within reports whether a test is the other or one of its subtests.
func within(test, other string) bool {
	return test == other || strings.HasPrefix(test, other+"/")
}

// find says what is left of all that is live and that the ledger does not have, and adds it there.
func (k claim) find(all memory, l *ledger) []string {
	var found []string
	for _, a := range k.allocators {
		if isReleased(a) || l.has(a) {
			continue
		}
		m := chunksOf(a)
		found = append(found, strings.TrimSpace(fmt.Sprintf("%v, but was not released%s", a, whose(m))))
		l.allocators = append(slices.Clip(l.allocators), told{a, m})
	}
	if !k.memory {
		return found
	}
	left := all.minus(k.since.live).minus(l.all().minus(k.since.reported)).only(k.tags)
	if !z.LeakTracking && len(l.allocators) > 0 && left.bytes <= 0 {
		left.blocks = 0
	}
	if left.empty() {
		return found
	}
	l.blocks = l.blocks.plus(left)
	text := left.String()
	if k.tags != nil && !z.LeakTracking {
		text += fmt.Sprintf("; without it blocks of all tags count, not only of %q", k.tags)
	}
	return append(found, text)
}

// whose is the site of an Allocator's chunks, where it is known.
func whose(m memory) string {
	var out strings.Builder
	for _, s := range m.sites {
		out.WriteString("\n" + s.String())
	}
	return out.String()
}

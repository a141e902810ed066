package z

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"

	"github.com/zmem-go/zmem/c"
)

// ErrGoMemoryLimit is what errors.Is finds in an error of SetMemoryLimit: the Go runtime has a memory
// limit that somebody else has set.
var ErrGoMemoryLimit = errors.New("the Go runtime has a memory limit already")

// SetMemoryLimit keeps manual memory and the Go heap together under total bytes, as well as a
// garbage collector can: it sets the runtime's own soft limit (debug.SetMemoryLimit) to what manual
// memory leaves of total, and moves it whenever the bytes held (see NumHeldBytes) have gone up or
// down by a 64th of total. So the more manual memory there is, the earlier the collector runs. It
// returns the total set before; a negative number changes nothing, and math.MaxInt64, as it is at
// first, is none, and gives the runtime back the limit that it had.
//
// The Go side always has an eighth of total: leaving it less would only make it collect all the
// time. Manual memory beyond seven eighths therefore is beyond total; SetLimit refuses it. Like the
// runtime's, the limit is a soft one, that nothing is refused by. Set both some 10 % below what the
// system allows: total has no room for what the backend needs for itself, for pages that it has yet
// to return, and for memory of other C code.
//
//	if total, err := z.MemoryLimitFromCgroup(); err == nil && total < math.MaxInt64 {
//		z.SetLimit(total / 2)
//		_, err = z.SetMemoryLimit(total / 10 * 9)
//	}
//
// Who sets the runtime's limit has the last word. Where it has one, from GOMEMLIMIT in the environment
// or from debug.SetMemoryLimit, SetMemoryLimit changes nothing and returns an error that is
// ErrGoMemoryLimit: AdoptGoMemoryLimit makes that limit the total. When the program calls
// debug.SetMemoryLimit later, SetMemoryLimit ends. As long as it lasts, a thread of the system sleeps
// in C.
func SetMemoryLimit(total int64) (before int64, err error) {
	followMu.Lock()
	defer followMu.Unlock()
	m, limit := &memLimit, debug.SetMemoryLimit(-1)
	before = m.current(limit)
	switch {
	case total < 0 || total == before:
	case total == math.MaxInt64:
		unfollow(m)
		debug.SetMemoryLimit(m.found)
	case before < math.MaxInt64:
		m.start(total)
	case limit == math.MaxInt64:
		m.found = limit
		m.start(total)
	default:
		err = fmt.Errorf("z: SetMemoryLimit: %w: %d bytes, by %s (see AdoptGoMemoryLimit)",
			ErrGoMemoryLimit, limit, goLimitFrom())
	}
	return before, err
}

// AdoptGoMemoryLimit makes the memory limit that the Go runtime has, from GOMEMLIMIT in the
// environment or from debug.SetMemoryLimit, the total of manual memory and the Go heap, as
// SetMemoryLimit does with a total of its own: so whoever runs the program sets one number. It returns
// the total: math.MaxInt64, and nothing has changed, where the runtime has no limit; the one in force
// where SetMemoryLimit or AdoptGoMemoryLimit was called before.
func AdoptGoMemoryLimit() (total int64) {
	followMu.Lock()
	defer followMu.Unlock()
	m, limit := &memLimit, debug.SetMemoryLimit(-1)
	if total = m.current(limit); total < math.MaxInt64 || limit == math.MaxInt64 {
		return total
	}
	m.found = limit
	m.start(limit)
	return limit
}

// goLimitFrom says who has set the runtime's limit.
func goLimitFrom() string {
	if env := os.Getenv("GOMEMLIMIT"); env != "" && env != "off" {
		return "GOMEMLIMIT=" + env + " or debug.SetMemoryLimit"
	}
	return "debug.SetMemoryLimit"
}

// memLimit is what SetMemoryLimit set; it is a follower while there is a total. followMu guards it.
var memLimit memoryLimit

type memoryLimit struct {
	total   int64
	found   int64 // the runtime's limit before there was a total
	goLimit int64 // what the runtime's limit was set to last
	at      int64 // what was held then
}

// current is the total in force where the runtime's limit is so much; math.MaxInt64 for none.
func (m *memoryLimit) current(goLimit int64) int64 {
	if followers[m] && goLimit == m.goLimit {
		return m.total
	}
	return math.MaxInt64
}

func (m *memoryLimit) start(total int64) {
	m.total = total
	m.set(c.NumHeldBytes())
	follow(m)
}

func (m *memoryLimit) step() int64 { return max(m.total/64, 1) }

// set sets the runtime's limit for what is held. A step less than is left makes up for what manual
// memory may grow by until the next time.
func (m *memoryLimit) set(held int64) {
	m.at = held
	m.goLimit = max(m.total-held-m.step(), m.total/8)
	debug.SetMemoryLimit(m.goLimit)
}

func (m *memoryLimit) moved(held int64) (low, high int64) {
	if debug.SetMemoryLimit(-1) != m.goLimit { // not ours any more
		delete(followers, m)
		return math.MinInt64, math.MaxInt64
	}
	if held < m.at-m.step() || held > m.at+m.step() {
		m.set(held)
	}
	return m.at - m.step(), m.at + m.step()
}

package z

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/zmem-go/zmem/c"
)

// SetMemoryLimit keeps manual memory and the Go heap together under total bytes, as well as a
// garbage collector can: it sets the runtime's own soft limit (debug.SetMemoryLimit) to what manual
// memory leaves of total, and moves it whenever the bytes held (see NumHeldBytes) have gone up or
// down by a 64th of total. So the more manual memory there is, the earlier the collector runs. It
// returns the total set before; a negative number changes nothing, and math.MaxInt64, as it is at
// first, is none.
//
// The Go side always has an eighth of total: leaving it less would only make it collect all the
// time. Manual memory beyond seven eighths therefore is beyond total; SetLimit refuses it. Like the
// runtime's, the limit is a soft one, that nothing is refused by. Set both some 10 % below what the
// system allows: total has no room for what the backend needs for itself, for pages that it has yet
// to return, and for memory of other C code.
//
//	if total, err := z.MemoryLimitFromCgroup(); err == nil && total < math.MaxInt64 {
//		z.SetMemoryLimit(total / 10 * 9)
//		z.SetLimit(total / 2)
//	}
//
// Who sets the runtime's limit has the last word. Where the environment has GOMEMLIMIT, or the
// program has called debug.SetMemoryLimit, SetMemoryLimit does nothing, so that the next call still
// returns math.MaxInt64; and when the program calls it later, SetMemoryLimit ends. As long as it
// lasts, a thread of the system sleeps in C.
func SetMemoryLimit(total int64) int64 {
	followMu.Lock()
	defer followMu.Unlock()
	m := &memLimit
	before := int64(math.MaxInt64)
	if followers[m] && debug.SetMemoryLimit(-1) == m.goLimit {
		before = m.total
	}
	switch {
	case total < 0 || total == before:
	case total == math.MaxInt64:
		unfollow(m)
		debug.SetMemoryLimit(math.MaxInt64)
	case before < math.MaxInt64 || goLimitIsFree():
		m.total = total
		m.set(c.NumHeldBytes())
		follow(m)
	}
	return before
}

// goLimitIsFree reports whether nobody has set the runtime's limit.
func goLimitIsFree() bool {
	return os.Getenv("GOMEMLIMIT") == "" && debug.SetMemoryLimit(-1) == math.MaxInt64
}

// memLimit is what SetMemoryLimit set; it is a follower while there is a total. followMu guards it.
var memLimit memoryLimit

type memoryLimit struct {
	total   int64
	goLimit int64 // what the runtime's limit was set to last
	at      int64 // what was held then
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

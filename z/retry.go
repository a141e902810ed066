package z

import (
	"sync"
	"sync/atomic"

	"github.com/zmem-go/zmem/c"
)

// What is refused is tried again once there is room: retry does that for all that allocates. C has
// given back what the depot holds by then (see c/charge.c). What caches hold is for us, and so are the
// callbacks of OnPressure.

// retries bounds how often an allocation is tried again: others may take the room that was made for it.
const retries = 8

// givingBack is held while blocks go back. Without it, ReturnMemory could find the depot empty and
// purge the backend while giveBackIdle has yet to free what it took from there; and an allocation could be
// refused while another makes room.
var givingBack busyMutex

// busyMutex is a mutex of which one can ask whether anybody has it, or waits for it.
type busyMutex struct {
	mu sync.Mutex
	n  atomic.Int32
}

func (m *busyMutex) Lock() {
	m.n.Add(1)
	m.mu.Lock()
}

func (m *busyMutex) Unlock() {
	m.mu.Unlock()
	m.n.Add(-1)
}

func (m *busyMutex) isBusy() bool { return m.n.Load() > 0 }

// retry calls f, which allocates, again as long as it is refused and there is something to give back.
// n is the number of bytes that f takes, or less where that is not known. f changes nothing where it
// fails. No lock may be held.
func retry(n int, f func() c.Err) c.Err {
	err := f()
	if err == c.ELIMIT || err == c.ENOMEM {
		err = refused(n, f)
	}
	return err
}

//go:noinline
func refused(n int, f func() c.Err) c.Err {
	var r relief
	for i := 0; ; i++ {
		err, drained := drainFor(n, f)
		if err != c.ELIMIT && err != c.ENOMEM {
			return err
		}
		if i == retries || !drained && (err == c.ENOMEM || !r.wait()) {
			r.wasInVain()
			return err
		}
	}
}

// drainFor calls f, and if that is refused, but not once the caches of all Ps are empty, it empties
// them for the next try.
//
// To empty them stops the world. So it does that only where all that is parked is enough, and caches
// have a 128th of what may be held: so much is allocated again before the next time, in a program that
// lives at its limit.
func drainFor(n int, f func() c.Err) (err c.Err, drained bool) {
	if !givingBack.isBusy() {
		if err = f(); !isWorthDraining(n, err) {
			return err, false
		}
	}
	givingBack.Lock() // until whoever makes room has done so
	defer givingBack.Unlock()
	if err = f(); !isWorthDraining(n, err) {
		return err, false
	}
	drainAll()
	if err == c.ENOMEM {
		c.DepotTrim(true)
	}
	return err, true
}

// isWorthDraining reports whether to drain for n bytes that were refused with err.
func isWorthDraining(n int, err c.Err) bool {
	if err != c.ELIMIT && err != c.ENOMEM {
		return false
	}
	lacks, most := int64(n), c.NumHeldBytes()
	if err == c.ELIMIT {
		limit := c.SetLimit(-1)
		lacks, most = most+lacks-limit, min(most, limit)
	}
	cached := c.NumCachedBytes()
	return cached > 0 && cached >= most/128 && c.NumParkedBytes() >= lacks
}

// drainTo gives back what is parked until no more than most bytes are held.
func drainTo(most int64) {
	givingBack.Lock()
	defer givingBack.Unlock()
	over := c.NumHeldBytes() - most
	if over <= 0 || c.DepotRelease(over) {
		return
	}
	if c.NumCachedBytes() > 0 {
		drainAll()
	}
	if over = c.NumHeldBytes() - most; over > 0 && !c.DepotRelease(over) {
		c.DepotTrim(true)
	}
}

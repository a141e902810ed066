package z

import (
	"sync/atomic"
	"time"

	"github.com/zmem-go/zmem/c"
)

// What was freed and nobody has needed for a while goes back, from caches to the depot, from there
// to the backend, and from libc to the system (jemalloc does that on a thread of its own). A timer
// looks for it once in a period. There is a timer only while there may be something to give back:
// who frees starts it, and it ends with a period in which nothing was freed and nothing found.

// idlePeriod is the time from one look to the next, and so the shortest for which memory is idle.
var idlePeriod = time.Second / 2

// States of looking.
const (
	asleep  = iota // there is no timer
	noticed        // there is one; memory was freed since the last look
	waiting        // there is one; nothing was freed since the last look
)

var looking atomic.Int32

// noteFree is called when C got memory back: a full magazine, or what is not for magazines.
func noteFree() {
	if looking.Load() != noticed && looking.Swap(noticed) == asleep {
		lookLater()
	}
}

func lookLater() { time.AfterFunc(idlePeriod, look) }

// look gives back what is idle, and sees to it that there is another look if there may be more.
func look() {
	freed := looking.Swap(waiting) == noticed
	if giveBackIdle() || freed || !looking.CompareAndSwap(waiting, asleep) {
		lookLater()
	}
}

// giveBackIdle gives back what nobody has needed since the last call, and returns whether there was
// any or will be later.
func giveBackIdle() bool {
	givingBack.Lock()
	drainIdle()
	parked := c.DepotTrim(false)
	givingBack.Unlock()
	return c.ReturnIdle() || parked
}

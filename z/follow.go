package z

import (
	"math"
	"sync"

	"github.com/zmem-go/zmem/c"
)

// Whoever wants to know how much manual memory is held follows it. C calls no Go, and to ask at
// each allocation would cost: so one goroutine, as long as there are followers, sleeps in C until
// what is held leaves the window in which nobody has anything to do.

// follower is one who wants to know.
type follower interface {
	// moved is called with the bytes held, first when following begins, and then whenever they have
	// left the window that it returns, which held is within. followMu is locked.
	moved(held int64) (low, high int64)
}

var (
	followMu  sync.Mutex
	followers = map[follower]bool{}
	following bool // whether the goroutine runs
)

// follow adds a follower, or calls moved of one that is there already. followMu is locked, here and
// in unfollow.
func follow(f follower) {
	f.moved(c.NumHeldBytes())
	followers[f] = true
	if following {
		c.WakeHeld()
	} else {
		following = true
		go followHeld()
	}
}

func unfollow(f follower) {
	delete(followers, f)
	c.WakeHeld()
}

func followHeld() {
	for {
		followMu.Lock()
		if len(followers) == 0 {
			following = false
			followMu.Unlock()
			return
		}
		held := c.NumHeldBytes()
		low, high := int64(math.MinInt64), int64(math.MaxInt64)
		for f := range followers {
			l, h := f.moved(held)
			low, high = max(low, l), min(high, h)
		}
		followMu.Unlock()
		c.WaitHeld(low, high)
	}
}

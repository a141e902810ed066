package z

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	"github.com/zmem-go/zmem/c"
)

// OnPressure has f called, on a goroutine of its own, whenever the program uses more than soft bytes
// of manual memory, with the number of bytes held (see NumHeldBytes): to drop what a cache can do
// without, say. Free blocks that are held for later do not count as used: where soft is passed only
// because of them, they go back and f is not called, and what f frees goes back as far as it takes to
// hold less than soft.
//
// f is called each time that soft is passed, give or take a 64th of it. Where it leaves more than soft
// in use, it is called again when an eighth of soft has come on top, or when what is held has gone
// down to an eighth below soft and passes it again. It is never called twice at once. It mostly runs
// within a millisecond of the allocation that passed soft, so that a peak that is shorter may be
// missed.
//
// An allocation that SetLimit would refuse waits for f, if soft is below the limit: for the call under
// way and for one more, for a second at most, and then tries again. So hold no lock that f needs while
// you allocate. An allocation in f, or in what f calls, does not wait for f. Where a call did not help,
// those refused within the next 10 milliseconds do not wait; where one takes longer than that second,
// none waits until it is over.
//
// The function that is returned ends this; a call of f that is under way then is not waited for. It
// may be called again, and does nothing then. As long as there is a callback, a thread of the
// system sleeps in C.
//
// OnPressure panics where soft is negative or f is nil.
func OnPressure(soft int64, f func(held int64)) (stop func()) {
	if soft < 0 {
		panic(fmt.Sprintf("z: OnPressure: negative size %d", soft))
	}
	if f == nil {
		panic("z: OnPressure: nil function")
	}
	p := newPressure(soft, f)
	go p.serve()
	followMu.Lock()
	defer followMu.Unlock()
	follow(p)
	return func() {
		followMu.Lock()
		defer followMu.Unlock()
		if followers[p] {
			unfollow(p)
			p.stopped = true
			close(p.wake)
		}
	}
}

// pressure is a callback of OnPressure. followMu guards what changes.
type pressure struct {
	soft int64
	f    func(held int64)
	wake chan bool // a turn of serve: whether f is called in any case; has room for one

	low, high int64         // held outside of them means something
	busy      bool          // there is a turn that has not ended
	stuck     bool          // an allocation has given up waiting for that
	ended     chan struct{} // closed when it has
	quiet     time.Time     // until then no allocation waits
	stopped   bool
}

func newPressure(soft int64, f func(held int64)) *pressure {
	p := &pressure{soft: soft, f: f, wake: make(chan bool, 1)}
	p.arm()
	return p
}

// arm has the next passing of soft count.
func (p *pressure) arm() { p.low, p.high = math.MinInt64, p.soft }

// back is an eighth below soft.
func (p *pressure) back() int64 { return p.soft - p.soft/8 }

// step is by how much what is held has to grow at least from one turn to the next: each may stop the
// world.
func (p *pressure) step() int64 { return max(p.soft/64, 64<<10) }

func (p *pressure) moved(held int64) (low, high int64) {
	if !p.busy && held < p.low {
		p.arm()
	}
	if !p.busy && held > p.high {
		p.turn(false)
	}
	if p.busy { // its end calls moved again
		return math.MinInt64, math.MaxInt64
	}
	return p.low, p.high
}

// turn wakes serve. followMu is locked, and p not busy.
func (p *pressure) turn(inAnyCase bool) {
	p.busy, p.ended = true, make(chan struct{})
	p.wake <- inAnyCase
}

// serve runs the callback. inCallback knows it by its name.
//
//go:noinline
func (p *pressure) serve() {
	for inAnyCase := range p.wake {
		held := c.NumHeldBytes()
		if (inAnyCase || held-c.NumParkedBytes() > p.soft) && !p.isStopped() {
			p.f(held)
		}
		drainTo(p.soft - p.step())
		held = c.NumHeldBytes()
		p.settle(held, held-c.NumParkedBytes())
	}
}

func (p *pressure) isStopped() bool {
	followMu.Lock()
	defer followMu.Unlock()
	return p.stopped
}

// settle ends a turn, with so much held and in use.
func (p *pressure) settle(held, used int64) {
	followMu.Lock()
	defer followMu.Unlock()
	p.low, p.high = p.back(), max(p.soft, held+p.step())
	if used > p.soft {
		p.high = held + max(p.soft/8, p.step())
	}
	p.busy, p.stuck = false, false
	close(p.ended)
	c.WakeHeld() // moved is to be called
}

// relief is what an allocation that is refused may wait for: turns of callbacks that are below the
// limit. Its zero value has not waited yet.
type relief struct {
	deadline time.Time
	turns    int
	asked    []*pressure
}

const (
	reliefTime  = time.Second
	reliefTurns = 3 // one that was under way already, one more, and one where others took its fruit
	reliefQuiet = 10 * time.Millisecond
)

// wait waits until the callbacks have run. It is false where none has.
func (r *relief) wait() bool {
	if r.turns++; r.turns > reliefTurns {
		return false
	}
	waited := false
	for _, p := range r.ask() {
		if p.wait(r) {
			waited = true
		}
	}
	return waited
}

// ask has the callbacks run that are not running.
func (r *relief) ask() []*pressure {
	followMu.Lock()
	defer followMu.Unlock()
	now, limit := time.Now(), c.SetLimit(-1)
	if r.deadline.IsZero() {
		r.deadline = now.Add(reliefTime)
	}
	r.asked = r.asked[:0]
	for f := range followers {
		p, ok := f.(*pressure)
		if !ok || p.soft >= limit || p.stuck || now.Before(p.quiet) {
			continue
		}
		if p.busy && inCallback() {
			return nil // it would wait for itself
		}
		if !p.busy {
			p.turn(true)
		}
		r.asked = append(r.asked, p)
	}
	return r.asked
}

// wait waits for the end of the turn.
func (p *pressure) wait(r *relief) bool {
	followMu.Lock()
	ended := p.ended
	followMu.Unlock()
	timer := time.NewTimer(time.Until(r.deadline))
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
	}
	followMu.Lock()
	defer followMu.Unlock()
	p.stuck = p.busy && p.ended == ended
	return !p.stuck
}

// wasInVain says that the allocation is refused all the same.
func (r *relief) wasInVain() {
	followMu.Lock()
	defer followMu.Unlock()
	for _, p := range r.asked {
		p.quiet = time.Now().Add(reliefQuiet)
	}
}

// inCallback reports whether a callback of OnPressure has called this.
func inCallback() bool {
	var pcs [64]uintptr
	for skip := 0; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		for _, pc := range pcs[:n] {
			if f := runtime.FuncForPC(pc - 1); f != nil && strings.HasSuffix(f.Name(), "/z.(*pressure).serve") {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

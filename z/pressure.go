package z

import (
	"fmt"
	"math"
)

// OnPressure has f called, on a goroutine of its own, whenever more than soft bytes of manual
// memory are held (see NumHeldBytes), with the number held: to drop what a cache can do without,
// say. It is called once each time that soft is passed upwards, which counts as such again when
// what is held has gone down by an eighth of soft; and never twice at once. It mostly runs within a
// millisecond of the allocation that passed soft, which does not wait for it, so that a peak that
// is shorter may be missed.
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
	p := &pressure{soft: soft, calls: make(chan int64, 1)}
	go func() {
		for held := range p.calls {
			f(held)
		}
	}()
	followMu.Lock()
	defer followMu.Unlock()
	follow(p)
	return func() {
		followMu.Lock()
		defer followMu.Unlock()
		if followers[p] {
			unfollow(p)
			close(p.calls)
		}
	}
}

// pressure is a callback of OnPressure.
type pressure struct {
	soft  int64
	above bool       // soft was passed, and what is held has not gone down since
	calls chan int64 // has room for one: what is passed while f runs is one more call
}

func (p *pressure) moved(held int64) (low, high int64) {
	back := p.soft - p.soft/8
	if p.above && held < back {
		p.above = false
	}
	if !p.above && held > p.soft {
		p.above = true
		select {
		case p.calls <- held:
		default:
		}
	}
	if p.above {
		return back, math.MaxInt64
	}
	return math.MinInt64, p.soft
}

package main

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmem-go/zmem/contrib/internal/resident"
	"github.com/zmem-go/zmem/contrib/internal/splitmix"
)

// sampleEvery is short enough to show a cycle of a small run, and long enough to cost nothing.
const sampleEvery = 10 * time.Millisecond

// worker carries out one plan on one backend.
type worker struct {
	plan  plan
	mem   backend
	start time.Time
	phase atomic.Int64
	taken atomic.Int64 // bytes allocated so far, freed again or not

	mu   sync.Mutex // held while emitting
	emit func(event)
}

// work carries out the plan and frees all, also when ctx ends or memory runs out on the way. It
// calls emit for all that happens, in the order of time and never twice at once; the last call has
// the End.
func work(ctx context.Context, p plan, mem backend, emit func(event)) {
	w := &worker{plan: p, mem: mem, emit: emit}
	debug.FreeOSMemory() // garbage of the start is not to hide in the base
	w.start = time.Now()
	w.point(base, 0)

	samplerCtx, stopSampler := context.WithCancel(context.Background())
	var sampler sync.WaitGroup
	sampler.Add(1)
	go func() {
		defer sampler.Done()
		w.sampleAlong(samplerCtx)
	}()

	err := w.cycles(ctx)
	w.enter(p.freePhase())
	if freeErr := w.down(context.Background(), 0, always); err == nil {
		err = freeErr
	}
	w.enter(p.endPhase())
	if err == nil {
		err = w.settle(ctx)
	}
	stopSampler()
	sampler.Wait()
	w.point(freed, 0)

	e := end{Left: mem.left(), Interrupted: ctx.Err() != nil, Seconds: w.seconds()}
	if err != nil {
		e.Err = err.Error()
	}
	w.emit(event{End: &e})
}

func (w *worker) cycles(ctx context.Context) error {
	random := splitmix.Source(w.plan.seed)
	var blocks int
	for cycle := 1; cycle <= w.plan.cycles; cycle++ {
		w.enter(w.plan.phase(cycle, up))
		for n := w.next(&random); n > 0 && ctx.Err() == nil; n = w.next(&random) {
			before := w.mem.inUse()
			blocks++
			if err := w.mem.push(int(n), byte(blocks%255)+1); err != nil {
				return err
			}
			w.taken.Add(w.mem.inUse() - before)
		}
		if ctx.Err() != nil {
			return nil
		}
		w.point(high, cycle)

		w.enter(w.plan.phase(cycle, down))
		toss := func() bool { return random.Next()&1 == 0 }
		if err := w.down(ctx, w.plan.lo, toss); err != nil {
			return err
		}
		w.enter(w.plan.phase(cycle, rest))
		if err := w.settle(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		w.point(low, cycle)
	}
	return nil
}

// next returns the size of the next block on the way up; 0 when the top is reached.
func (w *worker) next(random *splitmix.Source) int64 {
	room := w.plan.hi - w.mem.inUse() - nodeSize
	if room < 1 {
		return 0
	}
	return min(1+int64(random.Next()%uint64(w.plan.max)), room)
}

func always() bool { return true }

// down frees nodes for which choose says so, until no more than `to` bytes are in use.
func (w *worker) down(ctx context.Context, to int64, choose func() bool) error {
	for w.mem.inUse() > to && ctx.Err() == nil {
		err := w.mem.walk(func() verdict {
			switch {
			case w.mem.inUse() <= to || ctx.Err() != nil:
				return stop
			case choose():
				return free
			}
			return keep
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settle rests, which is when an allocator can give back what was freed.
func (w *worker) settle(ctx context.Context) error {
	if w.plan.giveBack {
		if err := w.mem.giveBack(); err != nil {
			return err
		}
	}
	select {
	case <-time.After(w.plan.rest):
	case <-ctx.Done():
	}
	return nil
}

func (w *worker) seconds() float64 { return time.Since(w.start).Seconds() }

// enter begins a phase: a sample ends the old one and another begins the new one.
func (w *worker) enter(phase int) {
	w.sample()
	w.phase.Store(int64(phase))
	w.sample()
}

func (w *worker) sampleAlong(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.sample()
		case <-ctx.Done():
			return
		}
	}
}

func (w *worker) sample() {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.now()
	w.emit(event{Sample: &s})
}

func (w *worker) now() sample {
	held, _ := resident.Bytes() // it worked when the program began
	inUse := w.mem.inUse()
	return sample{
		Seconds:  w.seconds(),
		Phase:    int(w.phase.Load()),
		InUse:    inUse,
		Resident: held,
		Done:     2*w.taken.Load() - inUse,
	}
}

func (w *worker) point(kind pointKind, cycle int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.emit(event{Point: &point{Kind: kind, Cycle: cycle, sample: w.now(), Stats: w.mem.stats()}})
}

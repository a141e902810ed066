package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

// fakeList is a list of sizes without memory, so that a plan of any size is done in no time.
type fakeList struct {
	sizes   []int64 // front last
	bytes   atomic.Int64
	most    int64
	pushed  []int
	given   int // times that memory was given back
	noMore  int // pushes until memory runs out; 0 for never
	changed int // walk that finds a block changed; 0 for none
	walks   int
	onPush  func()
}

var errNoMemory = errors.New("no memory")

func (f *fakeList) push(n int, pattern byte) error {
	if f.noMore > 0 && len(f.pushed) == f.noMore {
		return errNoMemory
	}
	if pattern == 0 {
		return errors.New("pattern 0")
	}
	f.pushed = append(f.pushed, n)
	f.sizes = append(f.sizes, int64(n)+nodeSize)
	f.most = max(f.most, f.bytes.Add(int64(n)+nodeSize))
	if f.onPush != nil {
		f.onPush()
	}
	return nil
}

func (f *fakeList) walk(visit func() verdict) error {
	f.walks++
	var damage error
	if f.walks == f.changed {
		damage = errChanged
	}
	for i := len(f.sizes) - 1; i >= 0; i-- {
		switch visit() {
		case stop:
			return damage
		case free:
			f.bytes.Add(-f.sizes[i])
			f.sizes = slices.Delete(f.sizes, i, i+1)
		}
	}
	return damage
}

func (f *fakeList) inUse() int64      { return f.bytes.Load() }
func (f *fakeList) left() int64       { return f.bytes.Load() }
func (f *fakeList) stats() z.MemStats { return z.MemStats{Active: uint64(f.inUse())} }
func (f *fakeList) giveBack() error   { f.given++; return nil }

// do carries out a plan and returns all that came of it.
func do(ctx context.Context, p plan, mem backend) *run {
	r := &run{Backend: "fake"}
	work(ctx, p, mem, r.add)
	return r
}

var someplan = plan{hi: 64 * mib, lo: 8 * mib, max: mib, cycles: 3, seed: 1}

func TestPlan_FreesDownToLo(t *testing.T) {
	tests := []plan{
		someplan,
		{hi: 8 * gib, lo: 512 * mib, max: 32 * mib, cycles: 6, seed: 1},
		{hi: 8 * gib, lo: 512 * mib, max: 32 * mib, cycles: 2, seed: math.MaxUint64},
		{hi: 1000, lo: 100, max: 1, cycles: 4, seed: 3},
		{hi: 2, lo: 1, max: 1, cycles: 2, seed: 1}, // not even a node
		{hi: 64 * mib, lo: 64*mib - 1, max: mib, cycles: 2, seed: 1},
	}
	for _, p := range tests {
		f := &fakeList{}
		r := do(context.Background(), p, f)
		if problem := r.problem(); problem != "" {
			t.Fatalf("%+v: %s", p, problem)
		}
		if f.most > p.hi {
			t.Errorf("%+v: %d were in use, more than hi", p, f.most)
		}
		for cycle := 1; cycle <= p.cycles; cycle++ {
			top, bottom := r.point(high, cycle), r.point(low, cycle)
			if top.InUse < p.hi-nodeSize || top.InUse > p.hi {
				t.Errorf("%+v: peak %d has %d in use", p, cycle, top.InUse)
			}
			if bottom.InUse > p.lo || bottom.InUse < p.lo-p.max-nodeSize {
				t.Errorf("%+v: low point %d has %d in use", p, cycle, bottom.InUse)
			}
		}
		if first, last := r.point(base, 0), r.point(freed, 0); first.InUse != 0 || last.InUse != 0 {
			t.Errorf("%+v: %d in use at the start, %d in the end", p, first.InUse, last.InUse)
		}
		if biggest := int64(slices.Max(append(f.pushed, 0))); biggest > p.max {
			t.Errorf("%+v: a block of %d bytes", p, biggest)
		}
		if slices.Contains(f.pushed, 0) {
			t.Errorf("%+v: an empty block", p)
		}
	}
}

func TestPlan_SeedDecidesTheBlocks(t *testing.T) {
	blocks := func(seed uint64) []int {
		p := someplan
		p.seed = seed
		f := &fakeList{}
		do(context.Background(), p, f)
		return f.pushed
	}
	if !slices.Equal(blocks(1), blocks(1)) {
		t.Error("one seed gave different blocks")
	}
	if slices.Equal(blocks(1), blocks(2)) {
		t.Error("two seeds gave the same blocks")
	}
}

func TestWork_ProgressEndsAtTheTotal(t *testing.T) {
	r := do(context.Background(), someplan, &fakeList{})
	var before int64
	for _, s := range r.Samples {
		if s.Done < before {
			t.Fatalf("progress fell from %d to %d", before, s.Done)
		}
		before = s.Done
	}
	// Low points lie a little under lo, and what lies under it is allocated and freed again.
	most := someplan.work() + 2*int64(someplan.cycles)*(someplan.max+nodeSize)
	if before < someplan.work()-2*int64(someplan.cycles)*nodeSize || before > most {
		t.Errorf("the work is %d, and %d were done", someplan.work(), before)
	}
}

func TestWork_OutOfMemoryFreesAll(t *testing.T) {
	f := &fakeList{noMore: 50}
	r := do(context.Background(), someplan, f)
	if r.problem() != errNoMemory.Error() || f.inUse() != 0 {
		t.Errorf("problem %q, %d bytes left", r.problem(), f.inUse())
	}
	if r.point(freed, 0) == nil || r.point(high, 1) != nil {
		t.Errorf("points: %+v", r.Points)
	}
}

func TestWork_ReportsDamage(t *testing.T) {
	for walk := 1; walk <= 4; walk++ {
		f := &fakeList{changed: walk}
		r := do(context.Background(), someplan, f)
		if r.problem() != errChanged.Error() || f.inUse() != 0 {
			t.Errorf("damage on walk %d: problem %q, %d bytes left", walk, r.problem(), f.inUse())
		}
	}
}

func TestWork_InterruptFreesAll(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := &fakeList{}
	f.onPush = func() {
		if len(f.pushed) == 200 { // in the second cycle
			cancel()
		}
	}
	r := do(ctx, someplan, f)
	if r.problem() != "" || !r.End.Interrupted || f.inUse() != 0 {
		t.Errorf("problem %q, end %+v, %d bytes left", r.problem(), r.End, f.inUse())
	}
	if r.point(low, 1) == nil || r.point(high, 2) != nil || r.point(freed, 0) == nil {
		t.Errorf("points: %+v", r.Points)
	}
}

func TestWork_InterruptEndsARest(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	p := someplan
	p.rest = time.Hour
	start := time.Now()
	r := do(ctx, p, &fakeList{})
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the interrupt came through after %v", took)
	}
	if r.point(low, 1) != nil || r.point(high, 1) == nil {
		t.Errorf("points: %+v", r.Points)
	}
}

func TestWork_GivesBackOnlyWhenAsked(t *testing.T) {
	for _, ask := range []bool{false, true} {
		p := someplan
		p.giveBack = ask
		want := 0
		if ask {
			want = p.cycles + 1
		}
		f := &fakeList{}
		do(context.Background(), p, f)
		if f.given != want {
			t.Errorf("asked: %v; memory was given back %d times, want %d", ask, f.given, want)
		}
	}
}

func TestWork_SamplesAlongTheWay(t *testing.T) {
	p := someplan
	p.rest = 100 * time.Millisecond
	r := do(context.Background(), p, &fakeList{})
	phases := map[int]int{}
	var before float64
	for _, s := range r.Samples {
		phases[s.Phase]++
		if s.Resident <= 0 || s.Seconds < before {
			t.Fatalf("sample %+v after %v s", s, before)
		}
		before = s.Seconds
	}
	for phase := 0; phase <= p.endPhase(); phase++ {
		least := 2
		if p.part(phase) == rest {
			least = 4
		}
		if phases[phase] < least {
			t.Errorf("%d samples in phase %d", phases[phase], phase)
		}
	}
}

package main

import (
	"fmt"

	"github.com/zmem-go/zmem/contrib/internal/size"
	"github.com/zmem-go/zmem/z"
)

// event is one thing that happens in a run; one of the fields is set.
type event struct {
	Sample *sample `json:",omitempty"`
	Point  *point  `json:",omitempty"`
	End    *end    `json:",omitempty"`
}

// sample is the state of a run at one time.
type sample struct {
	Seconds  float64 // since the start
	Phase    int
	InUse    int64 // bytes of live nodes and buffers
	Resident int64 // bytes that the process holds
	Done     int64 // bytes allocated and freed so far
}

type pointKind int

const (
	base  pointKind = iota // before the first allocation
	high                   // hi is in use
	low                    // lo is in use, after the rest
	freed                  // nothing is in use, after the rest
)

// point is a sample at a turning point, with the allocator's own figures.
type point struct {
	Kind  pointKind
	Cycle int // from 1; 0 for base and freed
	sample
	Stats z.MemStats
}

// end is how a run ended.
type end struct {
	Left        int64  // bytes that the allocator believes to be allocated
	Err         string `json:",omitempty"`
	Interrupted bool   `json:",omitempty"`
	Seconds     float64
}

// run is what is known of a run so far.
type run struct {
	Backend string
	Samples []sample
	Points  []point
	End     *end
	Died    string // why its process ended without an End
}

func (r *run) add(e event) {
	switch {
	case e.Sample != nil:
		r.Samples = append(r.Samples, *e.Sample)
	case e.Point != nil:
		r.Points = append(r.Points, *e.Point)
		r.Samples = append(r.Samples, e.Point.sample)
	case e.End != nil:
		r.End = e.End
	}
}

// point finds a turning point; nil where the run has not come to it.
func (r *run) point(kind pointKind, cycle int) *point {
	for i := range r.Points {
		if p := &r.Points[i]; p.Kind == kind && p.Cycle == cycle {
			return p
		}
	}
	return nil
}

// peak returns the most resident memory and the most in use, which need not have come at one time;
// nil where there are no samples.
func (r *run) peak() *sample {
	if len(r.Samples) == 0 {
		return nil
	}
	var peak sample
	for _, s := range r.Samples {
		peak.Resident = max(peak.Resident, s.Resident)
		peak.InUse = max(peak.InUse, s.InUse)
	}
	return &peak
}

// seconds is how long the run took, or had taken when it was last heard of.
func (r *run) seconds() float64 {
	if r.End != nil {
		return r.End.Seconds
	}
	if n := len(r.Samples); n > 0 {
		return r.Samples[n-1].Seconds
	}
	return 0
}

// problem says in one sentence what went wrong; it is empty if nothing did. An interrupt is no
// problem.
func (r *run) problem() string {
	switch {
	case r.Died != "":
		return r.Died
	case r.End == nil:
		return "it ended without a report"
	case r.End.Err != "":
		return r.End.Err
	case r.End.Left != 0:
		return fmt.Sprintf("%v are left allocated", size.Bytes(r.End.Left))
	}
	return ""
}

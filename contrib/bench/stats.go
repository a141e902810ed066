package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"golang.org/x/perf/benchmath"
)

// confidence is that of the intervals on the page.
const confidence = 0.95

// median is the median of a case's times in seconds, and how far the interval around it reaches, in
// words: "3%". ok is false where nothing was measured.
func (res *results) median(name string) (sec float64, spread string, ok bool) {
	times := res.times[name]
	if len(times) == 0 {
		return 0, "", false
	}
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(times, &benchmath.DefaultThresholds), confidence)
	return s.Center, s.PctRangeString(), true
}

// ratio is that of two cases' medians.
func (res *results) ratio(got, base string) (float64, bool) {
	a, _, okA := res.median(got)
	b, _, okB := res.median(base)
	return a / b, okA && okB && b > 0
}

// slower tells whether one case took longer than another, beyond what chance explains.
func (res *results) slower(got, than string) bool {
	r, ok := res.ratio(got, than)
	if !ok || r <= 1 {
		return false
	}
	sample := func(name string) *benchmath.Sample {
		return benchmath.NewSample(res.times[name], &benchmath.DefaultThresholds)
	}
	c := benchmath.AssumeNothing.Compare(sample(got), sample(than))
	return c.P <= c.Alpha
}

// outcome is a target and what was measured.
type outcome struct {
	target
	ratio    float64
	sec      float64 // an operation of got's
	measured bool
}

func (o outcome) verdict() string {
	better := func(limit float64) bool {
		if o.atLeast {
			return o.ratio >= limit
		}
		return o.ratio <= limit
	}
	switch {
	case !o.measured:
		return "not measured"
	case !better(o.limit) && (o.orTime == 0 || o.sec > o.orTime):
		return "**missed**"
	case o.aim != 0 && better(o.aim):
		return "reached, and the aim"
	default:
		return "reached"
	}
}

func (res *results) outcomes(targets []target) []outcome {
	var all []outcome
	for _, t := range targets {
		got, base := t.got, t.base
		if t.atLeast { // the ratio of throughputs is that of the times turned over
			got, base = base, got
		}
		r, ok := res.ratio(got, base)
		sec, _, _ := res.median(t.got)
		all = append(all, outcome{t, r, sec, ok})
	}
	return all
}

// lead is a case in which a peer was faster.
type lead struct {
	name, peer  string // cases
	ours, their float64
}

// comparedWithPeers counts the cases that zmem and a peer both did, and lists those in which a peer
// was faster.
func (res *results) comparedWithPeers() (compared int, leads []lead) {
	for _, name := range res.cases {
		work, impl, params := split(name)
		if im := find(impl); im == nil || im.kind != ours {
			continue
		}
		mine, _, _ := res.median(name)
		for _, other := range implementations {
			if other.kind != peer {
				continue
			}
			theirs := join(work, other.name, params)
			their, _, ok := res.median(theirs)
			if !ok {
				continue
			}
			compared++
			if res.slower(name, theirs) {
				leads = append(leads, lead{name, theirs, mine, their})
			}
		}
	}
	return compared, leads
}

// brokenOwn is an error where zmem itself failed to do a work.
func (res *results) brokenOwn() error {
	for id, why := range res.missing {
		_, impl, _ := split(id)
		if im := find(impl); im != nil && im.kind == ours {
			return fmt.Errorf("%s: %s", id, why)
		}
	}
	return nil
}

func find(name string) *implementation {
	i := slices.IndexFunc(implementations, func(im implementation) bool { return im.name == name })
	if i < 0 {
		return nil
	}
	return &implementations[i]
}

// label is an implementation's name for people.
func label(name string) string {
	if im := find(name); im != nil {
		return im.label
	}
	return name
}

// duration prints seconds with three digits: "12.5 ns", "1.92 s".
func duration(sec float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}} {
		if sec >= 0.9995*unit.size {
			return threeDigits(sec/unit.size) + " " + unit.name
		}
	}
	return threeDigits(sec*1e9) + " ns"
}

// ratio prints a ratio: with three digits, and no more than three behind the point.
func ratio(v float64) string {
	if v < 0.0995 {
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return threeDigits(v)
}

// threeDigits prints a number that is not negative with three digits, or all before the point.
func threeDigits(v float64) string {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Sprint(v)
	}
	before := 1 + int(math.Floor(math.Log10(v*1.0005)))
	return strconv.FormatFloat(v, 'f', min(max(3-before, 0), 4), 64)
}

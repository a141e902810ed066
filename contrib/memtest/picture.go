package main

import (
	"fmt"
	"image/color"
	"runtime"
	"strings"

	"github.com/zmem-go/zmem/contrib/internal/chart"
	"github.com/zmem-go/zmem/contrib/internal/size"
)

// look is how a backend is drawn: in one of the colours of Okabe and Ito, which people with any
// kind of colour blindness can tell apart, and with dashes of its own for print.
type look struct {
	color  color.RGBA
	dashes []float64
}

var (
	looks = map[string]look{
		goBackend:  {color.RGBA{R: 0x00, G: 0x9e, B: 0x73, A: 0xff}, []float64{2, 2}},
		"libc":     {color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff}, []float64{8, 3}},
		"jemalloc": {color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}, nil},
	}
	otherLook = look{color.RGBA{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff}, []float64{8, 3, 2, 3}}
	gray      = color.RGBA{R: 0x55, G: 0x55, B: 0x55, A: 0xff}
)

// picture draws one run against seconds. Several runs, which take different times for the same
// work, are drawn against the work: each phase of a cycle has a fixed place on the axis, and in it
// its own measure (see onCycleAxis).
func picture(p plan, runs []*run) *chart.Chart {
	unit, unitName := float64(size.MiB), "MiB"
	if size.Bytes(p.hi) >= 2*size.GiB {
		unit, unitName = float64(size.GiB), "GiB"
	}
	c := &chart.Chart{YLabel: "memory in " + unitName}
	place := func(r *run) func(sample) float64 {
		return func(s sample) float64 { return s.Seconds }
	}
	if len(runs) == 1 {
		c.Title = "Resident memory of a program on " + runs[0].where()
		c.XLabel = "seconds"
	} else {
		names := make([]string, len(runs))
		for i, r := range runs {
			names[i] = r.where()
		}
		c.Title = "Resident memory of the same program on " + strings.Join(names, ", ")
		c.XLabel = "progress of the work; each cycle allocates, frees and rests"
		c.Ticks, c.Lines = cycleAxis(p)
		place = func(r *run) func(sample) float64 { return onCycleAxis(p, r) }
	}

	var longest *run // its curve of bytes in use stands for all
	var took []string
	for _, r := range runs {
		if len(r.Samples) == 0 {
			continue
		}
		if longest == nil || r.last().Done > longest.last().Done {
			longest = r
		}
		took = append(took, fmt.Sprintf("%s %.0f s", r.where(), r.seconds()))
		l, ok := looks[r.Backend]
		if !ok {
			l = otherLook
		}
		name := "resident"
		if len(runs) > 1 {
			name = "on " + r.where()
		}
		if r.Died != "" {
			name += " (died)"
		}
		c.Series = append(c.Series, chart.Series{
			Name: name, Color: l.color, Dashes: l.dashes,
			Points: curve(r, place(r), func(s sample) float64 { return float64(s.Resident) / unit }),
		})
	}
	if longest != nil {
		c.Series = append([]chart.Series{{
			Name: "in use by the program", Color: gray, Area: true,
			Points: curve(longest, place(longest), func(s sample) float64 {
				return float64(s.InUse) / unit
			}),
		}}, c.Series...)
	}
	c.Caption = caption(p, took)
	return c
}

// where names what a run's memory came from.
func (r *run) where() string {
	if r.Backend == goBackend {
		return "Go's heap"
	}
	return r.Backend
}

func (r *run) last() sample { return r.Samples[len(r.Samples)-1] }

func curve(r *run, x, y func(sample) float64) []chart.Point {
	points := make([]chart.Point, len(r.Samples))
	for i, s := range r.Samples {
		points[i] = chart.Point{X: x(s), Y: y(s)}
	}
	return points
}

// cycleAxis labels the cycles, or every so many of them where they are too many for all labels.
func cycleAxis(p plan) (ticks []chart.Tick, lines []float64) {
	const room = 12
	every := (p.cycles + room - 1) / room
	for cycle := 1; cycle <= p.cycles; cycle++ {
		from, _ := p.span(p.phase(cycle, up))
		_, to := p.span(p.phase(cycle, rest))
		if (cycle-1)%every == 0 {
			label := fmt.Sprintf("cycle %d", cycle)
			if cycle > 1 && p.cycles > 6 {
				label = fmt.Sprint(cycle)
			}
			ticks = append(ticks, chart.Tick{X: (from + to) / 2, Label: label})
		}
		lines = append(lines, to)
	}
	from, _ := p.span(p.freePhase())
	_, to := p.span(p.endPhase())
	if p.cycles <= room {
		ticks = append(ticks, chart.Tick{X: (from + to) / 2, Label: "all freed"})
	}
	return ticks, append(lines, to)
}

// onCycleAxis returns what finds a sample's place on the axis of cycles: on the way up and down by
// the bytes in use, so that their curve is the same for all runs, and during a rest by time.
func onCycleAxis(p plan, r *run) func(sample) float64 {
	first := map[int]sample{} // of each phase
	last := map[int]sample{}
	for _, s := range r.Samples {
		if _, ok := first[s.Phase]; !ok {
			first[s.Phase] = s
		}
		last[s.Phase] = s
	}
	return func(s sample) float64 {
		from, to := p.span(s.Phase)
		begin := first[s.Phase]
		var done, all float64
		switch p.part(s.Phase) {
		case up:
			done, all = float64(s.InUse-begin.InUse), float64(p.hi-nodeSize-begin.InUse)
		case down:
			target := p.lo
			if s.Phase >= p.freePhase() {
				target = 0
			}
			done, all = float64(begin.InUse-s.InUse), float64(begin.InUse-target)
		case rest:
			done = s.Seconds - begin.Seconds
			all = max(p.rest.Seconds(), last[s.Phase].Seconds-begin.Seconds)
		}
		if all <= 0 {
			return from
		}
		return from + (to-from)*min(max(done/all, 0), 1)
	}
}

// caption says what the program did, in lines short enough for a font wider than ours.
func caption(p plan, took []string) []string {
	back := "Nothing asks the allocator to give memory back."
	if p.giveBack {
		back = "The allocator is then asked to give memory back."
	}
	return []string{
		fmt.Sprintf("Each cycle allocates and writes blocks of 1 B to %v until %v are in use, then frees "+
			"random ones", size.Bytes(p.max), size.Bytes(p.hi)),
		fmt.Sprintf("until %v are left, and rests for %g s. %s", size.Bytes(p.lo), p.rest.Seconds(), back),
		fmt.Sprintf("Time taken: %s. Seed %d, %s/%s, %s.", strings.Join(took, ", "), p.seed,
			runtime.GOOS, runtime.GOARCH, runtime.Version()),
	}
}

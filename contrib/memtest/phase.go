package main

// A run is a row of phases, numbered from 0: up, down and rest of each cycle, then the freeing of
// all that is left, and the rest after that.
const (
	up = iota
	down
	rest
	perCycle
)

func (p plan) phase(cycle, part int) int { return (cycle-1)*perCycle + part }
func (p plan) freePhase() int            { return p.cycles * perCycle }
func (p plan) endPhase() int             { return p.freePhase() + 1 }

// phaseName returns the cycle that the phase is in, from 1 (0 at the end), and what goes on in it.
func (p plan) phaseName(phase int) (cycle int, name string) {
	name = [...]string{"up", "down", "rest"}[p.part(phase)]
	if phase >= p.freePhase() {
		return 0, name
	}
	return phase/perCycle + 1, name
}

// part returns which part of a cycle a phase is, or is like.
func (p plan) part(phase int) int {
	if phase >= p.freePhase() {
		return down + min(phase-p.freePhase(), 1)
	}
	return phase % perCycle
}

// Each phase has a fixed place on the axis of a comparison, whatever time a backend took for it, so
// that the same work stands in the same place for all of them. One cycle is 1 wide.
var widths = [perCycle]float64{0.5, 0.3, 0.2}

// span returns where on that axis a phase begins and ends.
func (p plan) span(phase int) (from, to float64) {
	part := p.part(phase)
	from = float64(min(phase/perCycle, p.cycles))
	for _, w := range widths[:part] {
		from += w
	}
	if phase >= p.freePhase() { // there is no way up before these
		from -= widths[up]
	}
	return from, from + widths[part]
}

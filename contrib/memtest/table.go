package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/zmem-go/zmem/contrib/internal/size"
)

// String says what a run does, in a line.
func (p plan) String() string {
	times := strconv.Itoa(p.cycles) + " times"
	if p.cycles == 1 {
		times = "once"
	}
	s := fmt.Sprintf("up to %v in use and down to %v, %s, in blocks of up to %v, resting %v; seed %d",
		size.Bytes(p.hi), size.Bytes(p.lo), times, size.Bytes(p.max), p.rest, p.seed)
	if p.giveBack {
		s += "; memory is returned explicitly"
	}
	return s
}

func (p *point) name() string {
	switch p.Kind {
	case base:
		return "start"
	case high:
		return fmt.Sprintf("peak %d", p.Cycle)
	case low:
		return fmt.Sprintf("low %d", p.Cycle)
	}
	return "all freed"
}

// writeTable compares what processes held with what the program had in use, in whole MiB. A run
// that did not come to a point has a dash there.
func writeTable(w io.Writer, p plan, runs []*run) {
	if len(runs) == 1 {
		writeOne(w, p, runs[0])
	} else {
		writeSeveral(w, p, runs)
	}
}

// tableRow is a turning point of the table; nil stands for none.
type tableRow struct {
	name string
	at   func(*run) *sample
}

// tableRows lists the turning points. The low points that no run came to share a row.
func tableRows(p plan, runs []*run) []tableRow {
	at := func(kind pointKind, cycle int) func(*run) *sample {
		return func(r *run) *sample {
			if p := r.point(kind, cycle); p != nil {
				return &p.sample
			}
			return nil
		}
	}
	rows := []tableRow{{"start", at(base, 0)}, {"peak", (*run).peak}}
	reached := 0
	for _, r := range runs {
		for reached < p.cycles && r.point(low, reached+1) != nil {
			reached++
		}
	}
	for cycle := 1; cycle <= p.cycles; cycle++ {
		name := fmt.Sprintf("low %d", cycle)
		if cycle > reached && cycle < p.cycles {
			name = fmt.Sprintf("low %d-%d", cycle, p.cycles)
			cycle = p.cycles
		}
		rows = append(rows, tableRow{name, at(low, cycle)})
	}
	return append(rows, tableRow{"all freed", at(freed, 0)})
}

// writeOne has columns for the base taken off and for how many times over memory is held.
func writeOne(w io.Writer, p plan, r *run) {
	const format = "%-12s %10s %10s %12s %10s\n"
	fmt.Fprintf(w, "%s, in MiB\n", r.Backend)
	fmt.Fprintf(w, format, "", "in use", "resident", "above start", "x in use")
	start := r.point(base, 0)
	for _, row := range tableRows(p, []*run{r}) {
		s := row.at(r)
		if s == nil || start == nil {
			fmt.Fprintf(w, format, row.name, "-", "-", "-", "-")
			continue
		}
		above, times := s.Resident-start.Resident, "-"
		if s.InUse > 0 {
			times = fmt.Sprintf("%.2f", float64(above)/float64(s.InUse))
		}
		fmt.Fprintf(w, format, row.name, size.Bytes(s.InUse).InMiB(), size.Bytes(s.Resident).InMiB(),
			size.Bytes(above).InMiB(), times)
	}
	fmt.Fprintf(w, "%-12s %10.1f\n", "seconds", r.seconds())
}

// writeSeveral has a column of resident memory for each run.
func writeSeveral(w io.Writer, p plan, runs []*run) {
	line := func(name, first string, cell func(*run) string) {
		fmt.Fprintf(w, "%-12s %10s", name, first)
		for _, r := range runs {
			fmt.Fprintf(w, " %10s", cell(r))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "resident memory, in MiB\n")
	line("", "in use", func(r *run) string { return r.Backend })
	for _, row := range tableRows(p, runs) {
		inUse := "-"
		for _, r := range runs {
			if s := row.at(r); s != nil {
				inUse = size.Bytes(s.InUse).InMiB()
			}
		}
		line(row.name, inUse, func(r *run) string {
			if s := row.at(r); s != nil {
				return size.Bytes(s.Resident).InMiB()
			}
			return "-"
		})
	}
	line("seconds", "", func(r *run) string { return fmt.Sprintf("%.1f", r.seconds()) })
}

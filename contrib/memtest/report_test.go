package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/zmem-go/zmem/contrib/internal/chart"
)

// a run as it could have been: two cycles, of which the later ones may be missing.
func exampleRun(name string, cycles int) *run {
	r := &run{Backend: name}
	p := examplePlan
	at := 0.0
	add := func(phase int, inUse, resident int64) sample {
		at += 0.25
		s := sample{Seconds: at, Phase: phase, InUse: inUse * mib, Resident: resident * mib,
			Done: int64(at * 1000)}
		r.add(event{Sample: &s})
		return s
	}
	turn := func(kind pointKind, cycle int, s sample) {
		r.add(event{Point: &point{Kind: kind, Cycle: cycle, sample: s}})
	}
	turn(base, 0, add(0, 0, 10))
	held := int64(0)
	for c := 1; c <= cycles; c++ {
		for _, used := range []int64{64, 1000, 2048} {
			add(p.phase(c, up), used, used+20)
		}
		turn(high, c, add(p.phase(c, up), 2048, 2100))
		for _, used := range []int64{2048, 500, 127} {
			add(p.phase(c, down), used, used+30)
		}
		held = 137 + 1000*int64(c-1)
		turn(low, c, add(p.phase(c, rest), 127, held))
	}
	if cycles == p.cycles {
		add(p.freePhase(), 127, held)
		turn(freed, 0, add(p.endPhase(), 0, 11))
		r.add(event{End: &end{Seconds: at}})
	}
	return r
}

var examplePlan = plan{hi: 2048 * mib, lo: 128 * mib, max: 16 * mib, cycles: 2, seed: 1}

func TestWriteTable_One(t *testing.T) {
	var out bytes.Buffer
	writeTable(&out, examplePlan, []*run{exampleRun("libc", 2)})
	want := `libc, in MiB
                 in use   resident  above start   x in use
start                 0         10            0          -
peak              2,048      2,100        2,090       1.02
low 1               127        137          127       1.00
low 2               127      1,137        1,127       8.87
all freed             0         11            1          -
seconds             4.8
`
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", &out, want)
	}
}

func TestWriteTable_Interrupted(t *testing.T) {
	var out bytes.Buffer
	p := examplePlan
	p.cycles = 9
	writeTable(&out, p, []*run{exampleRun("libc", 1)})
	want := `libc, in MiB
                 in use   resident  above start   x in use
start                 0         10            0          -
peak              2,048      2,100        2,090       1.02
low 1               127        137          127       1.00
low 2-9               -          -            -          -
all freed             -          -            -          -
seconds             2.2
`
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", &out, want)
	}
}

func TestWriteTable_Several(t *testing.T) {
	var out bytes.Buffer
	dead := exampleRun("libc", 1)
	dead.Died = "it was killed"
	writeTable(&out, examplePlan, []*run{{Backend: "go", Died: "no such file"}, dead,
		exampleRun("jemalloc", 2)})
	want := `resident memory, in MiB
                 in use         go       libc   jemalloc
start                 0          -         10         10
peak              2,048          -      2,100      2,100
low 1               127          -        137        137
low 2               127          -          -      1,137
all freed             0          -          -         11
seconds                        0.0        2.2        4.8
`
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", &out, want)
	}
}

func TestRun_Problem(t *testing.T) {
	tests := []struct {
		r    run
		want string // part of it; "" for none
	}{
		{run{End: &end{}}, ""},
		{run{End: &end{Interrupted: true}}, ""},
		{run{End: &end{Left: 5 * mib}}, "5 MiB are left allocated"},
		{run{End: &end{Left: -24}}, "-24 B are left allocated"},
		{run{End: &end{Err: "no memory", Left: 1}}, "no memory"},
		{run{Died: "killed"}, "killed"},
		{run{}, "without a report"},
	}
	for _, tt := range tests {
		got := tt.r.problem()
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.r, got, tt.want)
		}
	}
}

func TestPlan_SpansFollowOneAnother(t *testing.T) {
	for _, cycles := range []int{1, 2, 6} {
		p := plan{cycles: cycles}
		end := 0.0
		for phase := 0; phase <= p.endPhase(); phase++ {
			from, to := p.span(phase)
			if math.Abs(from-end) > 1e-9 || to <= from {
				t.Errorf("%d cycles: phase %d is from %v to %v, and the one before ends at %v",
					cycles, phase, from, to, end)
			}
			end = to
		}
		if math.Abs(end-float64(cycles)-0.5) > 1e-9 {
			t.Errorf("%d cycles end at %v", cycles, end)
		}
	}
}

func TestPlan_PhaseName(t *testing.T) {
	p := plan{cycles: 2}
	tests := []struct {
		phase, cycle int
		name         string
	}{
		{0, 1, "up"}, {1, 1, "down"}, {2, 1, "rest"}, {3, 2, "up"}, {5, 2, "rest"},
		{6, 0, "down"}, {7, 0, "rest"},
	}
	for _, tt := range tests {
		if cycle, name := p.phaseName(tt.phase); cycle != tt.cycle || name != tt.name {
			t.Errorf("phase %d: cycle %d, %q; want %d, %q", tt.phase, cycle, name, tt.cycle, tt.name)
		}
	}
}

// All runs do the same work, so on the axis of cycles each use of memory has one place.
func TestPicture_SameWorkAtTheSamePlace(t *testing.T) {
	fast, slow := exampleRun("libc", 2), exampleRun("jemalloc", 2)
	for i := range slow.Samples {
		slow.Samples[i].Seconds *= 3
	}
	c := picture(examplePlan, []*run{fast, slow})
	if len(c.Series) != 3 || !c.Series[0].Area {
		t.Fatalf("%d series", len(c.Series))
	}
	for i := range fast.Samples {
		a, b := c.Series[1].Points[i], c.Series[2].Points[i]
		if math.Abs(a.X-b.X) > 1e-9 {
			t.Errorf("sample %d stands at %v and at %v", i, a.X, b.X)
		}
	}
	for name, s := range map[string]chart.Series{"libc": c.Series[1], "jemalloc": c.Series[2]} {
		for i := 1; i < len(s.Points); i++ {
			if s.Points[i].X < s.Points[i-1].X {
				t.Errorf("%s goes back from %v to %v", name, s.Points[i-1].X, s.Points[i].X)
			}
		}
	}
}

func TestPicture_SaysWhatItShows(t *testing.T) {
	three := []*run{exampleRun("go", 2), exampleRun("libc", 1), exampleRun("jemalloc", 2)}
	three[1].Died = "killed"
	tests := []struct {
		name string
		runs []*run
		want []string
	}{
		{"one", []*run{exampleRun("libc", 2)}, []string{"in use by the program", "on libc", "resident", "seconds",
			"memory in GiB"}},
		{"three", three, []string{"in use by the program", "on Go's heap", "on libc (died)",
			"on jemalloc", "cycle 1", "cycle 2", "all freed", "128 MiB", "2 GiB", "16 MiB"}},
		{"one not begun", []*run{exampleRun("libc", 2), {Backend: "jemalloc"}}, []string{"on libc"}},
	}
	for _, tt := range tests {
		var svg bytes.Buffer
		if err := picture(examplePlan, tt.runs).Write(&svg, chart.SVG); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		text := strings.ReplaceAll(svg.String(), "&#39;", "'")
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the picture does not say %q", tt.name, want)
			}
		}
	}
}

func TestCycleAxis_LabelsHaveRoom(t *testing.T) {
	for _, cycles := range []int{1, 6, 7, 12, 13, 100, 5000} {
		ticks, lines := cycleAxis(plan{cycles: cycles})
		if len(ticks) < 1 || len(ticks) > 13 || len(lines) != cycles+1 {
			t.Errorf("%d cycles: %d labels, %d lines", cycles, len(ticks), len(lines))
		}
	}
}

func TestLooks_TellApart(t *testing.T) {
	seen := map[string]string{}
	for name, l := range looks {
		for what, is := range map[string]string{"colour": fmt.Sprint(l.color),
			"dashes": fmt.Sprint(l.dashes)} {
			if other, ok := seen[what+is]; ok {
				t.Errorf("%s and %s have the same %s", name, other, what)
			}
			seen[what+is] = name
		}
	}
}

func TestWriteCSV(t *testing.T) {
	var out bytes.Buffer
	if err := writeCSV(&out, examplePlan, []*run{exampleRun("libc", 1)}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if lines[0] != "backend,seconds,cycle,phase,in_use_bytes,resident_bytes" {
		t.Errorf("head: %s", lines[0])
	}
	if want := "libc,0.500000,1,up,67108864,88080384"; lines[3] != want {
		t.Errorf("got %s, want %s", lines[3], want)
	}
}

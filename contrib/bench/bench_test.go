package main

import (
	"bytes"
	"errors"
	"flag"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var testDirs = dirs{bench: "contrib/bench", build: "build/bench", docs: "docs"}

func TestParseOptions(t *testing.T) {
	tests := []struct {
		args    string
		out     string // "": an error
		command string
	}{
		{"", "docs/benchmarks.md", "go -C contrib/bench run ."},
		{"-rounds 3 -benchtime 1000x", "docs/benchmarks.md", "go -C contrib/bench run . -benchtime 1000x -rounds 3"},
		{"-quick", "build/bench/benchmarks.md", "go -C contrib/bench run . -quick"},
		{"-run impl=(zmem|go)$", "build/bench/benchmarks.md", "go -C contrib/bench run . -run 'impl=(zmem|go)$'"},
		{"-out x.md -run Calloc", "x.md", "go -C contrib/bench run . -run Calloc"},
		{"-out x.html", "", ""},
		{"-rounds 0", "", ""},
		{"-run (", "", ""},
		{"-benchtime soon", "", ""},
		{"-benchtime 0x", "", ""},
		{"-rounds 2 more", "", ""},
	}
	for _, tt := range tests {
		opts, err := parseOptions(strings.Fields(tt.args), testDirs)
		if tt.out == "" {
			if err == nil || errors.Is(err, flag.ErrHelp) {
				t.Errorf("%q is accepted", tt.args)
			}
			continue
		}
		if err != nil || opts.out != tt.out || opts.command != tt.command {
			t.Errorf("%q: %v, out %q, command %q", tt.args, err, opts.out, opts.command)
		}
	}
}

// What refers to something by name must name something that exists.
func TestPlan(t *testing.T) {
	titles := map[string]bool{}
	for _, w := range works {
		if titles[w.name] {
			t.Errorf("two works are called %s", w.name)
		}
		titles[w.name] = true
		for _, impl := range append(w.implNames(), w.against...) {
			if find(impl) == nil {
				t.Errorf("%s: there is no implementation %s", w.name, impl)
			}
		}
		if (w.pkg == "") == (len(w.programs) == 0) {
			t.Errorf("%s is neither a benchmark nor programs, or both", w.name)
		}
		for _, p := range w.programs {
			if !slices.Contains(w.impls, p.impl) {
				t.Errorf("%s: the program for %s is in no round", w.name, p.impl)
			}
		}
	}
	known := func(name string) bool {
		work, impl, _ := split(name)
		return titles[work] && find(impl) != nil && caseName("Benchmark"+name+"-2") == name
	}
	for _, tt := range targets {
		if !known(tt.got) || !known(tt.base) || tt.got == tt.base || tt.limit <= 0 || tt.basis == "" {
			t.Errorf("%s: %s against %s", tt.what, tt.got, tt.base)
		}
		if tt.aim != 0 && (tt.aim > tt.limit) != tt.atLeast {
			t.Errorf("%s: the aim is easier than the limit", tt.what)
		}
	}
	for _, g := range groups {
		if !known(g.caseOf("zmem")) {
			t.Errorf("the chart has %s", g.caseOf("zmem"))
		}
	}
}

func TestInOrder(t *testing.T) {
	a, b := work{name: "A"}, work{name: "B"}
	runs := []run{{work: a, impl: "x"}, {work: a, impl: "y"}, {work: a, impl: "z"}, {work: b, impl: "x"}, {work: b, impl: "y"}}
	for round, want := range []string{"Ax Ay Az Bx By", "Ay Az Ax By Bx", "Az Ax Ay Bx By", "Ax Ay Az By Bx"} {
		var got []string
		for _, r := range inOrder(runs, round) {
			got = append(got, r.work.name+r.impl)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("round %d: %s, want %s", round, got, want)
		}
	}
	if len(inOrder(nil, 3)) != 0 {
		t.Error("nothing is something")
	}
}

func TestPlannedRuns(t *testing.T) {
	b := &built{
		tests:    map[string]string{"alloc.test": "alloc.test"},
		programs: map[string]string{"ListDemo/impl=zmem": "demo"},
		missing:  map[string]string{"mmgo": "not to be had"},
	}
	var got []string
	for _, r := range plannedRuns(works, regexp.MustCompile("Replace/impl=(zmem|mmgo|c)$|ListDemo"), b) {
		got = append(got, r.id()+" "+r.bin)
	}
	want := []string{"Replace/impl=zmem alloc.test", "Replace/impl=c alloc.test", "ListDemo/impl=zmem demo"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// output of three rounds of one benchmark, and of one that was left out.
const sampleOutput = `jemalloc: 5.3.0-0-g54eaed1
goos: linux
cpu: Some CPU
BenchmarkCalloc/impl=zmem/size=32/goroutines=1-2   100   12.0 ns/op   0 B/op   0 allocs/op
BenchmarkCalloc/impl=zmem/size=32/goroutines=1-2   100   10.0 ns/op   0 B/op   0 allocs/op
BenchmarkCalloc/impl=zmem/size=32/goroutines=1-2   100   11.0 ns/op   0 B/op   0 allocs/op
BenchmarkCalloc/impl=zmem/size=32/goroutines=2-2   100   5.5 ns/op   0 B/op   0 allocs/op
BenchmarkCalloc/impl=ristretto/size=32/goroutines=1-2   100   110 ns/op   24 B/op   1 allocs/op
BenchmarkCalloc/impl=go/size=32/goroutines=1-2   100   22 ns/op   32 B/op   1 allocs/op
BenchmarkCalloc/impl=go/size=256/goroutines=1-2   100   60 ns/op   32 B/op   1 allocs/op
left out: BenchmarkCalloc/impl=xdarkicex/size=32/goroutines=1: it has a reason: two
BenchmarkListDemo/impl=zmem 1 560000000 ns/op
PASS
`

func sampleResults(t *testing.T) *results {
	t.Helper()
	res := newResults()
	if err := res.add([]byte(sampleOutput)); err != nil {
		t.Fatal(err)
	}
	return res
}

func TestResults(t *testing.T) {
	res := sampleResults(t)
	const one, two = "Calloc/impl=zmem/size=32/goroutines=1", "Calloc/impl=zmem/size=32/goroutines=2"
	if sec, spread, ok := res.median(one); !ok || duration(sec) != "11.0 ns" || spread != "∞" {
		t.Errorf("median %v %q %v", sec, spread, ok)
	}
	if r, ok := res.ratio(one, "Calloc/impl=ristretto/size=32/goroutines=1"); !ok || ratio(r) != "0.100" {
		t.Errorf("ratio %v, %v", r, ok)
	}
	if _, ok := res.ratio(one, "Calloc/impl=none"); ok {
		t.Error("a ratio to nothing")
	}
	if got := res.leftOut["Calloc/impl=xdarkicex/size=32/goroutines=1"]; got != "it has a reason: two" {
		t.Errorf("left out: %q", res.leftOut)
	}
	if res.config["jemalloc"] != "5.3.0-0-g54eaed1" || res.config["cpu"] != "Some CPU" {
		t.Errorf("config %q", res.config)
	}
	if sec, _, _ := res.median("ListDemo/impl=zmem"); duration(sec) != "560 ms" {
		t.Errorf("list demo: %v", sec)
	}
	if len(res.cases) != 6 || res.cases[1] != two {
		t.Errorf("cases %q", res.cases)
	}
}

func TestOutcomes(t *testing.T) {
	res := sampleResults(t)
	const one, two = "Calloc/impl=zmem/size=32/goroutines=1", "Calloc/impl=zmem/size=32/goroutines=2"
	const heap = "Calloc/impl=go/size=32/goroutines=1"
	tests := []struct {
		target
		ratio, verdict string
	}{
		{target{got: one, base: heap, limit: 0.9, aim: 0.5}, "0.500", "reached, and the aim"},
		{target{got: one, base: heap, limit: 0.9, aim: 0.4}, "0.500", "reached"},
		{target{got: one, base: heap, limit: 0.9}, "0.500", "reached"},
		{target{got: one, base: heap, limit: 0.4}, "0.500", "**missed**"},
		{target{got: two, base: one, limit: 1.8, atLeast: true}, "2.00", "reached"},
		{target{got: two, base: one, limit: 1.8, aim: 2.5, atLeast: true}, "2.00", "reached"},
		{target{got: two, base: one, limit: 2.1, atLeast: true}, "2.00", "**missed**"},
		{target{got: one, base: "Calloc/impl=none", limit: 1}, "", "not measured"},
	}
	for _, tt := range tests {
		o := res.outcomes([]target{tt.target})[0]
		if o.verdict() != tt.verdict || o.measured && ratio(o.ratio) != tt.ratio {
			t.Errorf("%+v: %v, %s", tt.target, o.ratio, o.verdict())
		}
	}
}

func TestComparedWithPeers(t *testing.T) {
	res := newResults()
	add := func(name string, ns ...float64) {
		res.cases = append(res.cases, name)
		for _, v := range ns {
			res.times[name] = append(res.times[name], v*1e-9)
		}
	}
	add("Calloc/impl=zmem/size=32", 10, 11, 12, 11, 10, 12, 11)
	add("Calloc/impl=arrow/size=32", 110, 111, 112, 111, 110, 112, 111)
	add("Calloc/impl=modernc/size=32", 8, 9, 8, 7, 8, 7, 9)
	add("Calloc/impl=sync-pool/size=32", 10, 11, 12, 11, 10, 12, 10) // as good as the same
	add("Calloc/impl=c/size=32", 1, 2, 1, 2, 1, 2, 1)                // is no peer
	compared, leads := res.comparedWithPeers()
	if compared != 3 || len(leads) != 1 || leads[0].peer != "Calloc/impl=modernc/size=32" {
		t.Errorf("%d compared, ahead: %+v", compared, leads)
	}
}

func TestBrokenOwn(t *testing.T) {
	res := newResults()
	res.missing["Calloc/impl=arrow"] = "it failed"
	res.missing["mmgo"] = "not to be had"
	if err := res.brokenOwn(); err != nil {
		t.Error(err)
	}
	res.missing["Calloc/impl=zmem"] = "it failed"
	if res.brokenOwn() == nil {
		t.Error("zmem failed, and that is no error")
	}
}

func TestPage(t *testing.T) {
	res := sampleResults(t)
	res.missing["mmgo"] = "it could not be fetched"
	p := &page{results: res, started: time.Unix(0, 0), took: time.Minute}
	p.rounds, p.command = 3, "go -C contrib/bench run . -run 'a|b'"
	var text, svg bytes.Buffer
	p.render(&text, "benchmarks.svg")
	for _, want := range []string{
		"| command | `go -C contrib/bench run . -run 'a\\|b'` |",
		"| date | 1970-01-01 00:00 UTC, 1m0s long |",
		"| Calloc+Free, 32 bytes | ristretto/v2 | ≤ 0.12 | ≤ 0.08 | 0.100 | reached |",
		"| Throughput of two goroutines, 32 bytes | one goroutine | ≥ 1.8 |  | 2.00 | reached |",
		"| Forced collection, 20M live nodes | Go heap | ≤ 0.03 |  |  | not measured |",
		"|  | 1 goroutine | ± | × ristretto/v2 z | × Go heap | 2 goroutines | ± | × ristretto/v2 z | × Go heap | Go allocs |",
		"| **zmem** | 11.0 ns | ∞ | 0.100 | 0.500 | 5.50 ns | ∞ |  |  | 0 |",
		"| Go heap | 22.0 ns | ∞ | 0.200 |  |  |  |  |  | 1 |",
		"### 256 bytes",
		"xDarkicex/memory is not in this table: it has a reason: two.",
		"![Time for one block, by work and implementation](benchmarks.svg)",
		"| **zmem** | 560 ms |",
		"- mm-go: it could not be fetched",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if t.Failed() {
		t.Log(text.String())
	}
	if drawn, err := p.chart().write(&svg); !drawn || err != nil {
		t.Fatal(drawn, err)
	}
	for _, want := range []string{"<svg", "zmem</text>", "256 bytes</text>", "11.0</text>", "Arial"} {
		if !strings.Contains(svg.String(), want) {
			t.Errorf("the chart has no %q", want)
		}
	}
	if strings.Contains(svg.String(), "4096 bytes") {
		t.Error("the chart has a group without bars")
	}
}

func TestPage_Empty(t *testing.T) {
	p := &page{results: newResults()}
	p.render(&bytes.Buffer{}, "")
	if drawn, err := p.chart().write(&bytes.Buffer{}); drawn || err != nil {
		t.Error(drawn, err)
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0 ns", 4e-10: "0.400 ns", 1.2345e-8: "12.3 ns", 9.999e-7: "1.00 µs", 9.99e-7: "999 ns",
		1.5e-6: "1.50 µs", 4.73e-1: "473 ms", 0.99999: "1.00 s", 123.4: "123 s",
	} {
		if got := duration(v); got != want {
			t.Errorf("duration(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{
		0.0123: "0.012", 0.0996: "0.0996", 0.12: "0.120", 0.9999: "1.00", 1: "1.00", 12.34: "12.3", 1234: "1234",
	} {
		if got := ratio(v); got != want {
			t.Errorf("ratio(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{1.0 / 3: "1/3", 2: "2", 0.03: "0.03", 1.8: "1.8"} {
		if got := bound(v); got != want {
			t.Errorf("bound(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestLogTicks(t *testing.T) {
	var labels []string
	for _, tick := range logTicks(5, 1000) {
		if tick.Label != "" {
			labels = append(labels, tick.Label)
		}
	}
	want := []string{"5 ns", "10 ns", "20 ns", "50 ns", "100 ns", "200 ns", "500 ns", "1 µs"}
	if !slices.Equal(labels, want) {
		t.Errorf("%q", labels)
	}
	for v, want := range map[float64]float64{7: 5, 5: 5, 4.9: 2, 1.9: 1, 10: 10, 0.3: 0.2} {
		if got := floor125(v); got < want*0.999 || got > want*1.001 {
			t.Errorf("floor125(%v) = %v, want %v", v, got, want)
		}
	}
}

func TestInWords(t *testing.T) {
	for in, want := range map[string]string{
		"size=32/goroutines=1":         "32 bytes, 1 goroutine",
		"Replace/size=32/live=1048576": "Replace, 32 bytes, 1048576 live",
		"sizes=etc/goroutines=2":       "sizes etc, 2 goroutines",
		"":                             "",
	} {
		if got := inWords(in); got != want {
			t.Errorf("inWords(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestReason(t *testing.T) {
	got := reason(errors.New("go: module a/b: reading https://example.org/a/b/list: 403 Forbidden\n\tsorry"))
	if got != "go: module a/b: 403 Forbidden sorry" {
		t.Errorf("%q", got)
	}
	if got := reason(errors.New(strings.Repeat("long ", 100))); len(got) > 250 || !strings.HasSuffix(got, " ...") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestLastWords(t *testing.T) {
	const out = "BenchmarkX 1 2 ns/op\ngoos: linux\n"
	for in, want := range map[string]string{
		"runtime: x\nfatal error: out of memory\n\ngoroutine 1:": "fatal error: out of memory",
		"panic: no\n\ngoroutine 1:":                              "panic: no",
		"SIGSEGV: segmentation violation\nPC=0":                  "SIGSEGV: segmentation violation",
		"demo: wrong\nusage":                                     "demo: wrong",
		"":                                                       "",
	} {
		if got := lastWords(out, in); got != want {
			t.Errorf("lastWords(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestQuietEnv(t *testing.T) {
	got := quietEnv([]string{"PATH=x", "GOGC=off", "ZMEM_BACKEND=libc", "GOMAXPROCS=2", "GOMEMLIMIT=1GiB"})
	if !slices.Equal(got, []string{"PATH=x", "GOMAXPROCS=2"}) {
		t.Errorf("%q", got)
	}
}

func TestModuleFlags(t *testing.T) {
	tests := []struct {
		m    module
		tags string
		want string
	}{
		{module{}, "", "-tags "},
		{module{}, "jemalloc", "-tags jemalloc"},
		{module{"x.mod", []string{"mmgo"}}, "jemalloc,allocator", "-tags mmgo,jemalloc,allocator -modfile x.mod"},
	}
	for _, tt := range tests {
		if got := strings.Join(tt.m.flags(tt.tags), " "); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.m, got, tt.want)
		}
	}
}

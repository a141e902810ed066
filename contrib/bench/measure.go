package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/zmem-go/zmem/contrib/internal/progress"
)

// runLimit is how long one process may take. The longest is ristretto's sort of 100 million records.
const runLimit = 4 * time.Minute

// run is one process: one work on one implementation.
type run struct {
	work work
	impl string
	bin  string
	args []string // without those of the testing package
	pkg  bool     // bin is a test binary
}

func (r run) id() string { return r.work.name + "/impl=" + r.impl }

// plannedRuns lists what one round runs.
func plannedRuns(works []work, match *regexp.Regexp, b *built) []run {
	var runs []run
	for _, w := range works {
		for _, name := range w.implNames() {
			r := run{work: w, impl: name, pkg: w.pkg != ""}
			_, missing := b.missing[name]
			if missing || !match.MatchString(r.id()) {
				continue
			}
			if r.bin = b.tests[testBinary(w.pkg, name)]; !r.pkg {
				r.bin = b.programs[r.id()]
			}
			if r.bin != "" {
				runs = append(runs, r)
			}
		}
	}
	return runs
}

func (w work) implNames() []string {
	if w.impls != nil {
		return w.impls
	}
	return blockImpls
}

// results are the measurements of all rounds.
type results struct {
	times   map[string][]float64 // case, without "Benchmark": seconds an operation, in each round
	allocs  map[string][]float64 // case: allocations on the Go heap an operation, likewise
	cases   []string             // in the order of their first result
	config  map[string]string    // what the benchmarks say of themselves, such as the processor
	leftOut map[string]string    // case: why the implementation does not do it
	missing map[string]string    // implementation, or "<work>/impl=<name>": why it has no results
}

func newResults() *results {
	return &results{
		times: map[string][]float64{}, allocs: map[string][]float64{}, config: map[string]string{},
		leftOut: map[string]string{}, missing: map[string]string{},
	}
}

// measure runs everything, round by round. What the benchmarks print goes to raw as well.
func measure(ctx context.Context, runs []run, opts options, raw io.Writer, bar *progress.Bar) (*results, error) {
	res := newResults()
	done := int64(0)
	for round := range opts.rounds {
		for _, r := range inOrder(runs, round) {
			bar.Set(done, fmt.Sprintf("round %d of %d: %s", round+1, opts.rounds, r.id()))
			done++
			if _, dead := res.missing[r.id()]; dead || r.work.most > 0 && round >= r.work.most {
				continue
			}
			out, err := r.do(ctx, opts)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				res.missing[r.id()] = reason(err)
				bar.Printf(os.Stderr, "%s: %v\n", r.id(), err)
				continue
			}
			if _, err := raw.Write(out); err != nil {
				return nil, err
			}
			if err := res.add(out); err != nil {
				return nil, fmt.Errorf("%s: %w", r.id(), err)
			}
		}
	}
	return res, nil
}

// inOrder is the runs of a round, in which the implementations of each work begin with another one
// than in the round before.
func inOrder(runs []run, round int) []run {
	ordered := make([]run, 0, len(runs))
	for start := 0; start < len(runs); {
		end := start
		for end < len(runs) && runs[end].work.name == runs[start].work.name {
			end++
		}
		group := runs[start:end]
		first := round % len(group)
		ordered = append(append(ordered, group[first:]...), group[:first]...)
		start = end
	}
	return ordered
}

// do runs the process and returns its results in the format of Go's benchmarks.
func (r run) do(ctx context.Context, opts options) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	args := r.args
	if r.pkg {
		args = append(args, "-test.run", "^$", "-test.bench", "^Benchmark"+r.work.name+"$/^impl="+r.impl+"$",
			"-test.benchtime", opts.benchtime, "-test.count", strconv.Itoa(max(r.work.count, 1)))
		if opts.quick {
			args = append(args, "-test.short")
		}
	} else {
		for _, p := range r.work.programs {
			if p.impl == r.impl {
				if args = p.args; opts.quick {
					args = p.quickArgs
				}
			}
		}
	}
	cmd := exec.CommandContext(ctx, r.bin, args...)
	cmd.Env = quietEnv(os.Environ())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("it did not end within %v", runLimit)
	}
	if err != nil {
		why := lastWords(stdout.String(), stderr.String())
		return nil, fmt.Errorf("it failed: %s", strings.TrimSuffix(fmt.Sprintf("%v: %s", err, why), ": "))
	}
	if !r.pkg {
		return fmt.Appendf(nil, "Benchmark%s 1 %d ns/op\n", r.id(), took.Nanoseconds()), nil
	}
	return stdout.Bytes(), nil
}

// quietEnv is the environment without what would give one side other settings than its own.
func quietEnv(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		for _, prefix := range []string{"GOGC", "GOMEMLIMIT", "GODEBUG", "GOTRACEBACK", "ZMEM_", "MALLOC_",
			"JE_MALLOC_CONF", "LD_PRELOAD", "GLIBC_TUNABLES"} {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return false
	})
}

// lastWords finds the line in which a process that failed says why.
func lastWords(stdout, stderr string) string {
	for line := range strings.Lines(stderr + "\n" + stdout) {
		for _, start := range []string{"panic:", "fatal error:", "SIG", "unexpected fault", "<jemalloc>"} {
			if strings.HasPrefix(line, start) {
				return strings.TrimSpace(line)
			}
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	return first
}

const leftOutPrefix = "left out: "

// add takes in the results of one process.
func (res *results) add(out []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), leftOutPrefix); ok {
			name, why, _ := strings.Cut(rest, ": ")
			res.leftOut[caseName(name)] = why
		}
	}
	reader := benchfmt.NewReader(bytes.NewReader(out), "results")
	for reader.Scan() {
		r, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		name := caseName(r.Name.String())
		sec, ok := r.Value("sec/op")
		if !ok {
			continue
		}
		if _, seen := res.times[name]; !seen {
			res.cases = append(res.cases, name)
		}
		res.times[name] = append(res.times[name], sec)
		if n, ok := r.Value("allocs/op"); ok {
			res.allocs[name] = append(res.allocs[name], n)
		}
		for _, c := range r.Config {
			if c.File {
				res.config[c.Key] = string(c.Value)
			}
		}
	}
	return reader.Err()
}

// caseName is a benchmark's name without "Benchmark" before it and GOMAXPROCS after it.
func caseName(full string) string {
	base, parts := benchfmt.Name(strings.TrimPrefix(full, "Benchmark")).Parts()
	name := string(base)
	for _, p := range parts {
		if p[0] == '/' {
			name += string(p)
		}
	}
	return name
}

// split takes a case apart: the work, the implementation, and the rest.
func split(name string) (work, impl string, params []string) {
	words := strings.Split(name, "/")
	for _, w := range words[1:] {
		if v, ok := strings.CutPrefix(w, "impl="); ok && impl == "" {
			impl = v
		} else {
			params = append(params, w)
		}
	}
	return words[0], impl, params
}

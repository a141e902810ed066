package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/zmem-go/zmem/contrib/internal/chart"
	"github.com/zmem-go/zmem/contrib/internal/size"
)

// options is what the flags say, complete and valid.
type options struct {
	plan    plan
	backend string // empty with -compare
	compare bool
	chart   string // file, or empty
	csv     string // file, or empty
	quiet   bool
}

// machine is what flags are judged by.
type machine struct {
	// choose makes zmem use the named allocator, or its default for "", and returns all backends
	// of this binary, the default last.
	choose     func(name string) []string
	envBackend string // ZMEM_BACKEND
	available  func() (int64, error)
}

const (
	defaultCycles  = 6
	defaultHi      = 16 * size.GiB // or half of the available memory, if that is less
	defaultMax     = 32 * size.MiB // or an eighth of lo, if that is less
	defaultHiOverL = 16            // hi / lo
	defaultRest    = 2 * time.Second
)

func parseOptions(args []string, m machine, stderr io.Writer) (options, error) {
	var o options
	var hi, lo, biggest size.Bytes
	fs := flag.NewFlagSet("memtest", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(stderr, "memtest shows whether an allocator gives memory back.\n\n"+
			"usage: memtest [flags], sizes as in 512MiB\n\n")
		fs.PrintDefaults()
	}
	fs.StringVar(&o.backend, "backend", "", "`name`: go, libc or, in a binary built with -tags "+
		"jemalloc, jemalloc (default: $ZMEM_BACKEND, else the last of these)")
	fs.BoolVar(&o.compare, "compare", false, "run all backends, each in a process of its own")
	fs.Var(&hi, "hi", "`size` in use at each peak (default: 16 GiB, or half of what the machine, "+
		"control groups included, has available)")
	fs.Var(&lo, "lo", "`size` in use at each low point (default: hi/16)")
	fs.IntVar(&o.plan.cycles, "cycles", defaultCycles, "`times` to go up and down")
	fs.Var(&biggest, "max", "`size` of the largest block (default: 32 MiB, or lo/8)")
	fs.Uint64Var(&o.plan.seed, "seed", 1, "`number` that the random sizes follow from")
	fs.DurationVar(&o.plan.rest, "rest", defaultRest, "`time` to wait at each low point, and after "+
		"all is freed, before resident memory is read")
	fs.BoolVar(&o.plan.giveBack, "return", false, "after freeing, ask the allocator to return memory")
	fs.StringVar(&o.chart, "chart", "", "draw resident memory over time into `file`, .svg or .png")
	fs.StringVar(&o.csv, "csv", "", "write all samples to `file`")
	fs.BoolVar(&o.quiet, "quiet", false, "print the table at the end and nothing else")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("%q: memtest takes only flags", fs.Arg(0))
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })

	if err := o.chooseBackend(m, given["backend"]); err != nil {
		return o, err
	}
	if o.chart != "" {
		if _, err := chart.FormatOf(o.chart); err != nil {
			return o, fmt.Errorf("-chart: it ends in .svg or .png, not as %q does", o.chart)
		}
		if o.chart == o.csv {
			return o, errors.New("-chart and -csv name the same file")
		}
	}

	free, freeErr := m.available()
	if !given["hi"] {
		if freeErr != nil {
			return o, fmt.Errorf("cannot tell how much memory is available, so give -hi (%w)", freeErr)
		}
		hi = roundDown(min(defaultHi, size.Bytes(free/2)))
		if given["lo"] && lo >= hi {
			return o, fmt.Errorf("-lo %v is not below %v, the default of -hi on this machine: give -hi",
				lo, hi)
		}
	}
	if !given["lo"] {
		lo = hi / defaultHiOverL
	}
	if !given["max"] {
		biggest = min(defaultMax, max(1, lo/8))
	}
	o.plan.hi, o.plan.lo, o.plan.max = int64(hi), int64(lo), int64(biggest)
	if err := o.plan.check(); err != nil {
		return o, err
	}
	if freeErr == nil && int64(hi) > free {
		fmt.Fprintf(stderr, "memtest: warning: -hi %v is more than the %v that this machine has "+
			"available: expect it to fail\n", hi, size.Bytes(free))
	}
	return o, nil
}

// chooseBackend settles on -backend or ZMEM_BACKEND, of which the flag wins.
func (o *options) chooseBackend(m machine, given bool) error {
	if o.compare && given {
		return errors.New("-compare runs all backends: leave out -backend")
	}
	if o.compare || given && o.backend == goBackend {
		m.choose("")
		return nil
	}
	from := "-backend " + o.backend
	if !given {
		o.backend, from = m.envBackend, "ZMEM_BACKEND="+m.envBackend
	}
	all := m.choose(o.backend)
	if !given && o.backend == "" {
		o.backend = all[len(all)-1]
	}
	if !slices.Contains(all, o.backend) || o.backend == goBackend {
		hint := ""
		if o.backend == "jemalloc" {
			hint = "; build with -tags jemalloc for that one"
		}
		return fmt.Errorf("%s: this binary has: %s%s", from, strings.Join(all, ", "), hint)
	}
	return nil
}

// roundDown takes n to a round number: to one of four steps a doubling.
func roundDown(n size.Bytes) size.Bytes {
	step := size.Bytes(1)
	for step <= n/8 {
		step *= 2
	}
	return n / step * step
}

// plan is what a run does; sizes in bytes.
type plan struct {
	hi, lo   int64 // in use at each peak and low point
	max      int64 // largest block
	cycles   int
	seed     uint64
	rest     time.Duration
	giveBack bool
}

// check says what is wrong with the plan, in terms of the flags.
func (p plan) check() error {
	switch {
	case p.lo < 1:
		return fmt.Errorf("-lo %v: it has to be above 0", size.Bytes(p.lo))
	case p.lo >= p.hi:
		return fmt.Errorf("-lo %v is not below -hi %v", size.Bytes(p.lo), size.Bytes(p.hi))
	case p.max < 1:
		return fmt.Errorf("-max %v: a block has at least 1 byte", size.Bytes(p.max))
	case p.max > p.lo/4:
		return fmt.Errorf("-max %v: -lo %v has to hold at least 4 such blocks",
			size.Bytes(p.max), size.Bytes(p.lo))
	case p.max > math.MaxInt:
		return fmt.Errorf("-max %v is more than this machine can address", size.Bytes(p.max))
	case p.cycles < 1 || p.cycles > 1e6:
		return fmt.Errorf("-cycles %d: it takes 1 to 1000000", p.cycles)
	case p.hi > math.MaxInt64/4/int64(p.cycles):
		return fmt.Errorf("-hi %v for %d cycles is more than can be counted", size.Bytes(p.hi), p.cycles)
	case p.rest < 0 || p.rest > time.Hour:
		return fmt.Errorf("-rest %v: it takes 0 to 1h", p.rest)
	}
	return nil
}

// work is how many bytes a run allocates and frees, for the progress bar.
func (p plan) work() int64 {
	return 2 * (p.hi + int64(p.cycles-1)*(p.hi-p.lo))
}

// args is the plan as flags, for a child process.
func (p plan) args() []string {
	return []string{
		fmt.Sprintf("-hi=%d", p.hi), fmt.Sprintf("-lo=%d", p.lo), fmt.Sprintf("-max=%d", p.max),
		fmt.Sprintf("-cycles=%d", p.cycles), fmt.Sprintf("-seed=%d", p.seed),
		fmt.Sprintf("-rest=%v", p.rest), fmt.Sprintf("-return=%t", p.giveBack),
	}
}

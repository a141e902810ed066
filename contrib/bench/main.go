// Bench measures zmem against the Go heap, against other packages for manual memory and against plain
// C, and writes what it found as a page and a chart:
//
//	go -C contrib/bench run .           all of it, into docs/benchmarks.md and docs/benchmarks.svg
//	go -C contrib/bench run . -quick    does everything work? (seconds; the figures mean nothing)
//
// Each measurement runs in a process of its own. A round runs each of them once, implementation after
// implementation, so that whatever else the machine does meets all alike; the page has the medians
// over all rounds. All times are of this machine: what counts is their ratio.
//
// To add to it: a work, an implementation or a target is an entry in plan.go; a benchmark is a Go
// benchmark in a folder here, with impl=<name> as the first part of its name.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/zmem-go/zmem/contrib/internal/progress"
)

// options are what the command line says.
type options struct {
	rounds    int
	benchtime string
	run       *regexp.Regexp
	quick     bool
	offline   bool
	out       string // the page; the chart is beside it
	command   string // how to do the same again
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := bench(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, args []string, stdout io.Writer) error {
	dirs, err := findDirs(ctx)
	if err != nil {
		return err
	}
	opts, err := parseOptions(args, dirs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dirs.build, 0o777); err != nil {
		return err
	}
	started := time.Now()
	built, err := build(ctx, dirs, opts)
	if err != nil {
		return err
	}
	raw, err := os.Create(filepath.Join(dirs.build, "results.txt"))
	if err != nil {
		return err
	}
	defer raw.Close()
	runs := plannedRuns(works, opts.run, built)
	if len(runs) == 0 {
		return fmt.Errorf("nothing to run: -run %s matches none of the works", opts.run)
	}
	bar := progress.New(os.Stderr, int64(opts.rounds*len(runs)))
	res, err := measure(ctx, runs, opts, raw, bar)
	bar.Close()
	if err != nil {
		return err
	}
	for id, why := range built.missing {
		res.missing[id] = why
	}
	page := &page{
		machine: describe(ctx, dirs, built, res), options: opts, results: res,
		started: started, took: time.Since(started),
	}
	if err := page.write(); err != nil {
		return err
	}
	page.summary(stdout)
	return res.brokenOwn()
}

// dirs are the folders that matter.
type dirs struct {
	bench string // this module
	build string // what is built; not kept
	docs  string
}

func findDirs(ctx context.Context) (dirs, error) {
	gomod, err := output(ctx, "", "go", "env", "GOMOD")
	if err != nil {
		return dirs{}, err
	}
	dir := filepath.Dir(gomod)
	if filepath.Base(dir) != "bench" || filepath.Base(filepath.Dir(dir)) != "contrib" {
		return dirs{}, errors.New("it runs in its own module only, as in: go -C contrib/bench run . -quick")
	}
	root := filepath.Dir(filepath.Dir(dir))
	return dirs{dir, filepath.Join(root, "build", "bench"), filepath.Join(root, "docs")}, nil
}

func parseOptions(args []string, d dirs) (options, error) {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	rounds := fs.Int("rounds", 7, "run everything `n` times and take medians (95% intervals need 6)")
	benchtime := fs.String("benchtime", "100ms", "`time` for each case in each round, as for go test")
	run := fs.String("run", "", "only what matches the `regexp`: Calloc, impl=zmem, Calloc/impl=(zmem|go)$")
	quick := fs.Bool("quick", false, "one round of next to nothing: does everything work?")
	offline := fs.Bool("offline", false, "do not fetch the peers that go.mod does not have")
	out := fs.String("out", "", "write the page to `file`, and the chart beside it "+
		"(default docs/benchmarks.md; with -run or -quick build/bench/benchmarks.md)")
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	if fs.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if *rounds < 1 {
		return options{}, fmt.Errorf("-rounds %d: there has to be one", *rounds)
	}
	re, err := regexp.Compile(*run)
	if err != nil {
		return options{}, fmt.Errorf("-run: %w", err)
	}
	if !benchtimes.MatchString(*benchtime) {
		return options{}, fmt.Errorf("-benchtime %s: want a time such as 100ms or a number such as 1000x",
			*benchtime)
	}
	opts := options{
		rounds: *rounds, benchtime: *benchtime, run: re, quick: *quick, offline: *offline, out: *out,
		command: commandLine(fs),
	}
	if opts.quick {
		opts.rounds, opts.benchtime = 1, "1ms"
	}
	if opts.out == "" {
		opts.out = filepath.Join(d.docs, "benchmarks.md")
		if opts.quick || *run != "" {
			opts.out = filepath.Join(d.build, "benchmarks.md")
		}
	}
	if filepath.Ext(opts.out) != ".md" {
		return options{}, fmt.Errorf("-out %s: the page is Markdown, so its name ends in .md", opts.out)
	}
	return opts, nil
}

// benchtimes is what the testing package accepts.
var benchtimes = regexp.MustCompile(`^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^[1-9][0-9]*x$`)

// commandLine is what to type to get the same, wherever the page is to go.
func commandLine(fs *flag.FlagSet) string {
	words := []string{"go -C contrib/bench run ."}
	fs.Visit(func(f *flag.Flag) {
		value := f.Value.String()
		if strings.ContainsAny(value, " |()$*") {
			value = "'" + value + "'"
		}
		switch {
		case f.Name == "out":
		case value == "true":
			words = append(words, "-"+f.Name)
		default:
			words = append(words, "-"+f.Name, value)
		}
	})
	return strings.Join(words, " ")
}

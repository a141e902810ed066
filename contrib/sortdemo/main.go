// Command sortdemo fills a z.Buffer with records, sorts them by their key, and checks that they are
// in order and all there.
//
// A record is a key of 8 bytes, a random integer; the Buffer puts 8 bytes of length in front of it,
// so that -n 100000000 makes 1.5 GiB. Beyond -cap the Buffer is in a temporary file in -dir, which
// has no name: nothing is left of it, however the program ends. Sorting takes at most half as much
// again, plus 64 MiB, in memory of the same kind. -dir is to be on a disk: files on a tmpfs are in
// memory, too.
//
// For each step a line says how long it took and how much physical memory the process held at most.
// Pages of the file count there as long as they are in memory, too, but the system can write them
// to the disk and take them back; what it cannot take is in a column of its own.
//
// The checksum depends on -n and -seed alone. sortdemoc, the same in C, prints the same.
//
// sortdemo exits with 0 when all went well, 1 when the records are not in order or not all there, or
// memory or the disk ran out, 2 when the flags make no sense, and 130 when Ctrl-C interrupted it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"

	"github.com/dustin/go-humanize"

	"github.com/zmem-go/zmem/contrib/internal/progress"
	"github.com/zmem-go/zmem/contrib/internal/size"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options is what the flags say.
type options struct {
	n     int
	cap   size.Bytes
	dir   string
	seed  uint64
	quiet bool
}

// command is the whole program, which ends early when ctx is done; it returns the exit code.
func command(ctx context.Context, args []string, stdout io.Writer, stderr *os.File) int {
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "sortdemo:", err)
		return 2
	}
	var bar *progress.Bar
	if !o.quiet {
		fmt.Fprintln(stdout, o)
		bar = progress.New(stderr, steps*int64(o.n))
	}
	result, err := run(ctx, o, bar)
	bar.Close()
	result.write(stdout)
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "sortdemo: interrupted")
		return 130
	}
	if err != nil {
		fmt.Fprintln(stderr, "sortdemo:", err)
		return 1
	}
	return 0
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{cap: size.GiB}
	fs := flag.NewFlagSet("sortdemo", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(stderr, "sortdemo sorts records in manual memory, or on disk.\n\n"+
			"usage: sortdemo [flags], sizes as in 512MiB\n\n")
		fs.PrintDefaults()
	}
	fs.IntVar(&o.n, "n", 10_000_000, "`number` of records")
	fs.Var(&o.cap, "cap", "`size` beyond which the records are in a file; 0: never")
	fs.StringVar(&o.dir, "dir", os.TempDir(), "`folder` for that file, on a disk")
	fs.Uint64Var(&o.seed, "seed", 1, "`number` that the random keys follow from")
	fs.BoolVar(&o.quiet, "quiet", false, "print the table at the end and nothing else")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("%q: sortdemo takes only flags", fs.Arg(0))
	}
	if o.n < 0 || o.n > math.MaxInt/framedSize/2 {
		return o, fmt.Errorf("-n %d: no machine has so many", o.n)
	}
	return o, nil
}

// String says what a run does, in a line.
func (o options) String() string {
	where := "in memory"
	if o.cap > 0 {
		where = fmt.Sprintf("in %s beyond %v", o.dir, o.cap)
	}
	return fmt.Sprintf("%s records of %d bytes, %v with their lengths, %s; seed %d",
		humanize.Comma(int64(o.n)), recordSize, size.Bytes(o.n*framedSize), where, o.seed)
}

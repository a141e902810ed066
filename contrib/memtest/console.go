package main

import (
	"fmt"
	"io"
	"os"

	"github.com/zmem-go/zmem/contrib/internal/progress"
	"github.com/zmem-go/zmem/contrib/internal/size"
)

// console shows runs while they go on: a bar over all of them, and a line for each turning point.
type console struct {
	plan plan
	out  io.Writer
	bar  *progress.Bar // nil when quiet
	done int64         // work of the runs that have ended
}

func newConsole(opts options, runs int, stdout io.Writer, stderr *os.File) *console {
	c := &console{plan: opts.plan, out: stdout}
	if !opts.quiet {
		c.bar = progress.New(stderr, int64(runs)*opts.plan.work())
	}
	return c
}

const (
	overFormat = "%-21s %10s %10s %14s\n"
	headFormat = "%-21s %10s %10s %14s %10s %10s %10s %10s\n"
	rowFormat  = "%-9s%-12s %10s %10s %14s %10s %10s %10s %10s\n"
)

func (c *console) header() {
	c.bar.Printf(c.out, "%s\n\n", c.plan)
	c.bar.Printf(c.out, overFormat, "", "program:", "process:", "allocator:")
	c.bar.Printf(c.out, headFormat, "MiB", "in use", "resident", "allocated", "active", "metadata",
		"mapped", "retained")
}

func (c *console) event(r *run, e event) {
	switch {
	case e.Sample != nil:
		cycle, phase := c.plan.phaseName(e.Sample.Phase)
		if cycle > 0 {
			phase = fmt.Sprintf("cycle %d of %d, %s", cycle, c.plan.cycles, phase)
		} else {
			phase = "all freed, " + phase
		}
		c.bar.Set(c.done+e.Sample.Done, r.Backend+" "+phase)
	case e.Point != nil:
		p := e.Point
		mib := func(n uint64) string { return size.Bytes(n).InMiB() }
		c.bar.Printf(c.out, rowFormat, r.Backend, p.name(), size.Bytes(p.InUse).InMiB(),
			size.Bytes(p.Resident).InMiB(), mib(p.Stats.Allocated), mib(p.Stats.Active),
			mib(p.Stats.Metadata), mib(p.Stats.Mapped), mib(p.Stats.Retained))
	}
}

// ended counts a run's work as done, whether or not it came to its end.
func (c *console) ended() { c.done += c.plan.work() }

func (c *console) close() {
	c.bar.Close()
	if c.bar != nil {
		fmt.Fprintln(c.out)
	}
}

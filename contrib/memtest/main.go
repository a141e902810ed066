// Command memtest shows whether an allocator gives memory back.
//
// It keeps a linked list of structs, each with a buffer of random size of which every byte is
// written. The list grows until -hi bytes are in use, shrinks until -lo are, and so on for -cycles,
// and in the end all is freed. Meanwhile memtest samples its own resident memory, which is what the
// machine has to provide: an allocator that fragments holds more and more of it at each low point,
// though the program uses no more than before.
//
// On the way up blocks of 1 to -max bytes are allocated, uniformly distributed, and put in front of
// the list; the last one is cut so that exactly -hi bytes are in use. On the way down the list is
// walked again and again from its front and each node is freed with probability 1/2, until no more
// than -lo bytes are left. So the survivors lie scattered over the memory that was in use, which is
// what fragments it. One -seed always gives the same blocks, in memtestc too.
//
// Resident memory at a low point is read after a rest of -rest, in which the allocator may give
// back by itself; nothing asks it to, unless -return is given, since few programs do. The default
// of two seconds was measured to suffice for a jemalloc whose dirty_decay_ms is 1000; at its own
// default of 10000 it takes more than ten. With libc, zmem has it give back after a second or more. What was read is to be compared with the resident memory
// at the start, before the first allocation, plus what is in use.
//
// The backends:
//
//	go        nodes and buffers from Go's own heap, garbage collected. Where GOMEMLIMIT is not set,
//	          nine tenths of the available memory is the limit, so that the machine survives.
//	libc      the C library's allocator, through zmem
//	jemalloc  jemalloc, through zmem; in a binary built with -tags jemalloc
//
// With -compare each of them runs in a process of its own, one after the other, and all come in one
// table and one chart. They take different times for the same work, so that chart is drawn against
// the progress of the work rather than against seconds: what stands in one place is the same
// moment for all of them.
//
// memtest exits with 0 when all went well, 1 when bytes were left, memory was damaged or ran out,
// 2 when the flags make no sense, and 130 after an interrupt (143 after SIGTERM), upon which it
// frees all and reports what it has. A second interrupt ends it at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/zmem-go/zmem/contrib/internal/available"
	"github.com/zmem-go/zmem/contrib/internal/resident"
	"github.com/zmem-go/zmem/z"
)

func main() {
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

// command is the whole program; it returns the exit code.
func command(args []string, stdout io.Writer, stderr *os.File) int {
	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, "memtest:", err)
		return code
	}
	opts, err := parseOptions(args, machine{chooseBackend, os.Getenv("ZMEM_BACKEND"), available.Bytes},
		stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return fail(2, err)
	}
	if _, err := resident.Bytes(); err != nil {
		return fail(1, err)
	}
	ctx, stop := untilSignal()
	defer stop()

	if events := eventsFile(); events != nil {
		return child(ctx, opts, events)
	}
	files, err := createFiles(opts)
	if err != nil {
		return fail(2, err)
	}
	defer files.close()

	names := []string{opts.backend}
	if opts.compare {
		names = backends()
	}
	show := newConsole(opts, len(names), stdout, stderr)
	show.header()
	runs := make([]*run, 0, len(names))
	for _, name := range names {
		r := &run{Backend: name}
		runs = append(runs, r)
		sink := func(e event) {
			r.add(e)
			show.event(r, e)
		}
		if opts.compare {
			runChild(ctx, opts, r, sink)
		} else {
			work(ctx, opts.plan, openBackend(name), sink)
		}
		show.ended()
		if ctx.Err() != nil {
			break
		}
	}
	show.close()

	writeTable(stdout, opts.plan, runs)
	code := 0
	for _, r := range runs {
		if problem := r.problem(); problem != "" {
			fmt.Fprintf(stderr, "memtest: %s: %s\n", r.Backend, problem)
			code = 1
		}
	}
	if err := files.write(opts, runs); err != nil {
		code = fail(1, err)
	}
	if s, ok := context.Cause(ctx).(signalled); ok {
		fmt.Fprintln(stderr, "memtest: ended by", s.Error())
		code = 128 + int(s.Signal)
	}
	return code
}

// chooseBackend has zmem use the named allocator, or its default for "", and returns backends().
// zmem chooses once for the process, so this must come before any other use of it.
func chooseBackend(name string) []string {
	os.Setenv("ZMEM_BACKEND", name)
	return backends()
}

// backends lists what this binary can run on, in the order in which they are compared.
func backends() []string {
	names := []string{goBackend}
	compiled := z.Backends() // the default first, which is the one to come last
	for i := len(compiled) - 1; i >= 0; i-- {
		names = append(names, compiled[i])
	}
	return names
}

// signalled is why a run ended early.
type signalled struct{ syscall.Signal }

func (s signalled) Error() string { return s.Signal.String() }

// untilSignal returns a context that the first SIGINT or SIGTERM ends. The second one then kills
// the process, except in a child of -compare: on a terminal that gets each interrupt twice, from
// the terminal and from its parent.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		if s, ok := (<-signals).(syscall.Signal); ok {
			cancel(signalled{s})
		}
		if !isChild() {
			signal.Reset(syscall.SIGINT, syscall.SIGTERM)
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

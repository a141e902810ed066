package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A child of -compare runs one backend and sends its events, one JSON object a line, through a
// pipe. So the parent has all that a child did until it died, even of a SIGKILL, and a child whose
// parent is gone notices.
const (
	childVar = "ZMEM_MEMTEST_CHILD" // in a child's environment
	eventsFd = 3                    // the pipe, in a child
)

// endWithin is the time that a child has, once interrupted, to free its memory and report.
const endWithin = time.Minute

func isChild() bool { return os.Getenv(childVar) != "" }

// eventsFile returns the pipe to the parent; nil where this process is no child.
func eventsFile() *os.File {
	if !isChild() {
		return nil
	}
	return os.NewFile(eventsFd, "events")
}

// child is what a child does instead of the whole command.
func child(ctx context.Context, opts options, events *os.File) int {
	// If memory runs out, the kernel is to choose this process rather than its parent.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	enc := json.NewEncoder(events)
	work(ctx, opts.plan, openBackend(opts.backend), func(e event) {
		if enc.Encode(e) != nil {
			cancel() // the parent is gone
		}
	})
	return 0
}

// runChild runs r's backend in a process of its own and passes on its events. An end of ctx is
// passed on too, as an interrupt.
func runChild(ctx context.Context, opts options, r *run, sink func(event)) {
	exe, err := os.Executable()
	if err != nil {
		r.Died = err.Error()
		return
	}
	if err := runProcess(ctx, exe, opts.plan, r, sink); err != nil {
		r.Died = err.Error()
	}
}

func runProcess(ctx context.Context, exe string, p plan, r *run, sink func(event)) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	var stderr head
	cmd := exec.CommandContext(ctx, exe, append(p.args(), "-backend="+r.Backend)...)
	cmd.Env = append(os.Environ(), childVar+"=1")
	cmd.Stderr = &stderr
	cmd.ExtraFiles = []*os.File{write}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = endWithin
	err = cmd.Start()
	write.Close()
	if err != nil {
		return err
	}
	dec := json.NewDecoder(read)
	for {
		var e event
		if dec.Decode(&e) != nil {
			break // the child has ended, perhaps in the middle of a line
		}
		sink(e)
	}
	err = cmd.Wait()
	if r.End != nil {
		return nil
	}
	return death(err, stderr.text.String())
}

// death says why a child ended without a report.
func death(err error, stderr string) error {
	why := "it ended without a report"
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		why = "it ended with " + exit.String()
		status, ok := exit.Sys().(syscall.WaitStatus)
		if ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			why = "it was killed, most likely by the kernel because memory ran out"
		}
	} else if err != nil {
		why = err.Error()
	}
	if stderr = strings.TrimSpace(stderr); stderr != "" {
		return fmt.Errorf("%s; it wrote:\n%s", why, stderr)
	}
	return errors.New(why)
}

// head keeps the beginning of what a child writes, where a panic says what it is about. Its buffer
// is not embedded: io.Copy would find the buffer's ReadFrom and pass by the limit.
type head struct{ text bytes.Buffer }

func (h *head) Write(b []byte) (int, error) {
	const most = 1 << 10
	h.text.Write(b[:min(len(b), max(0, most-h.text.Len()))])
	return len(b), nil
}

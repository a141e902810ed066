// Package progress shows how far a long piece of work is: a bar where a person watches a terminal,
// and otherwise (a log, a pipe) a plain line now and then.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// linesEvery is how often plain lines come at most: seldom enough for a log, often enough to see
// that the work goes on.
const linesEvery = 5 * time.Second

// Bar shows one piece of work. Any goroutine may call its methods. A nil *Bar shows nothing, so
// that a quiet command needs no second path.
type Bar struct {
	mu    sync.Mutex
	out   io.Writer
	total int64
	bar   *progressbar.ProgressBar // nil: plain lines
	what  string
	now   func() time.Time
	last  time.Time // of the latest plain line
}

// New starts a bar over `total` units of work on f, which is usually os.Stderr.
func New(f *os.File, total int64) *Bar {
	return newBar(f, total, term.IsTerminal(int(f.Fd())), time.Now)
}

func newBar(out io.Writer, total int64, terminal bool, now func() time.Time) *Bar {
	b := &Bar{out: out, total: max(total, 1), now: now, last: now()}
	if terminal {
		b.bar = progressbar.NewOptions64(b.total,
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetWidth(24),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionShowDescriptionAtLineEnd(),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionUseANSICodes(true),
		)
	}
	return b
}

// Set says that `done` units are finished and what is being done now, in a few words.
func (b *Bar) Set(done int64, what string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar == nil {
		if b.now().Sub(b.last) >= linesEvery {
			b.last = b.now()
			fmt.Fprintf(b.out, "%3d%%  %s\n", 100*min(done, b.total)/b.total, what)
		}
		return
	}
	if what != b.what {
		b.what = what
		b.bar.Describe(what)
	}
	// At its total the bar would end and disappear: that is for Close.
	_ = b.bar.Set64(min(done, b.total-1))
}

// Printf writes a line of the command's own to `to`, which may be the same terminal, without
// breaking the bar.
func (b *Bar) Printf(to io.Writer, format string, args ...any) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar != nil {
		_ = b.bar.Clear()
	}
	b.last = b.now()
	fmt.Fprintf(to, format, args...)
}

// Close takes the bar off the terminal. No other method may follow.
func (b *Bar) Close() {
	if b == nil || b.bar == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.bar.Clear()
	_ = b.bar.Exit()
}

package z

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/zmem-go/zmem/c"
)

// errStopped is what a sort that was stopped ends with, within this package.
var errStopped = errors.New("z: the sort was stopped")

// What parts of a sort by a LessFunc take, roughly, in sixteenths of it; those of C are in c/sort.h.
const (
	shares      = 16
	shareFind   = 1
	shareChunks = 8
	shareMerges = shares - shareFind - shareChunks
)

// lookEvery is about how many calls of a LessFunc go by from one look at whether to stop to the next.
const lookEvery = 512

// sortWatch is a sort as those see it who wait for it: the goroutines and threads that sort share it
// with one that reports how far they are, and says when to stop.
type sortWatch struct{ shared c.SortWatch }

func (w *sortWatch) stop()         { atomic.StoreInt32(&w.shared.Stop, 1) }
func (w *sortWatch) stopped() bool { return atomic.LoadInt32(&w.shared.Stop) != 0 }

func (w *sortWatch) err() error {
	if w.stopped() {
		return errStopped
	}
	return nil
}

// did says that n bytes more went through one of some equal parts of a share of the work.
func (w *sortWatch) did(n, share, parts int) {
	if n > 0 {
		atomic.AddInt64(&w.shared.Done, int64(n)*int64(share)/int64(shares*max(parts, 1)))
	}
}

// reached says that of a sort of n bytes so many shares are done. Nobody else is at work.
func (w *sortWatch) reached(n, share int) {
	atomic.StoreInt64(&w.shared.Done, int64(n)/shares*int64(share)+int64(n)%shares*int64(share)/shares)
}

// progressEvery is how often a sort's Progress is called.
const progressEvery = 50 * time.Millisecond

// during has work, a sort of n bytes, done in this goroutine while another one looks after ctx and
// progress, where there are such. It returns the error of ctx where that has stopped the sort.
func (w *sortWatch) during(ctx context.Context, n int, progress func(done, total int64), work func() error) error {
	if ctx.Done() == nil && progress == nil {
		return work()
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	var failure any
	whole := false
	go func() {
		defer close(ended)
		defer func() {
			if !whole {
				failure = recover() // nil after runtime.Goexit
				w.stop()
			}
		}()
		w.follow(ctx, int64(n), progress, quit)
		whole = true
	}()
	err := func() error {
		defer func() { // whatever becomes of work
			close(quit)
			<-ended
		}()
		return work()
	}()
	switch {
	case failure != nil:
		panic(failure)
	case !whole:
		runtime.Goexit()
	case err == errStopped:
		return ctx.Err()
	case err == nil && progress != nil:
		progress(int64(n), int64(n))
	}
	return err
}

// follow reports progress, and stops the sort when ctx is done, until quit is closed.
func (w *sortWatch) follow(ctx context.Context, total int64, progress func(done, total int64), quit chan struct{}) {
	var tick <-chan time.Time
	if progress != nil {
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-quit:
			return
		case <-ctx.Done():
			w.stop()
			return
		case <-tick:
			progress(min(atomic.LoadInt64(&w.shared.Done), total), total)
		}
	}
}

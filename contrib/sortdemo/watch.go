package main

import (
	"time"

	"github.com/zmem-go/zmem/contrib/internal/progress"
	"github.com/zmem-go/zmem/contrib/internal/resident"
)

// watchEvery is short enough to see a peak, and long enough to cost nothing.
const watchEvery = 20 * time.Millisecond

// memory is what a process holds of the machine's, in bytes.
type memory struct {
	resident int64
	private  int64 // of it what the system cannot write to a file and take back
}

// watcher looks at a step while it goes on: how far it is, and the most memory it held.
type watcher struct {
	quit, ended chan struct{}
	peak        memory
	err         error
}

func watch(bar *progress.Bar, done *counter, what string) *watcher {
	w := &watcher{quit: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			w.look()
			bar.Set(done.Load(), what)
			select {
			case <-w.quit:
				w.look()
				return
			case <-tick.C:
			}
		}
	}()
	return w
}

func (w *watcher) look() {
	all, files, err := resident.Split()
	if err != nil {
		w.err = err
	}
	w.peak.resident = max(w.peak.resident, all)
	w.peak.private = max(w.peak.private, all-files)
}

// stop ends the watching.
func (w *watcher) stop() (peak memory, err error) {
	close(w.quit)
	<-w.ended
	return w.peak, w.err
}

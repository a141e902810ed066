//go:build !leak

package z_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

// churn allocates, dirties and frees blocks of all cached sizes, and a few beyond, checking that
// each is zero and that nobody else writes to it.
func churn(t *testing.T, seed uint64, rounds int) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	live := make([][]byte, 200)
	mark := byte(seed) | 1
	for range rounds {
		i := rnd.IntN(len(live))
		if live[i] != nil {
			if !bytes.Equal(live[i], bytes.Repeat([]byte{mark}, len(live[i]))) {
				t.Errorf("a block of %d bytes changed", len(live[i]))
			}
			z.Free(live[i])
		}
		live[i] = z.Calloc(1 + rnd.IntN(1<<rnd.IntN(18)))
		if !isZero(live[i]) {
			t.Errorf("Calloc(%d) is not zero", len(live[i]))
		}
		fill(live[i], mark)
	}
	for _, b := range live {
		z.Free(b)
	}
}

// churnOnAllPs runs churn on more goroutines than there are Ps.
func churnOnAllPs(t *testing.T, rounds int) {
	var wg sync.WaitGroup
	for g := range 2*runtime.GOMAXPROCS(0) + 1 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			churn(t, uint64(g), rounds)
		}()
	}
	wg.Wait()
}

func TestCache_GOMAXPROCSMayChange(t *testing.T) {
	start := liveNow()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 7, 64, 3, 1, 16} {
		runtime.GOMAXPROCS(procs)
		churnOnAllPs(t, 500)
		wantLive(t, start)
	}
}

func TestCache_GOMAXPROCSChangesMeanwhile(t *testing.T) {
	start := liveNow()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	done := make(chan struct{})
	go func() {
		defer close(done)
		churnOnAllPs(t, 3000)
	}()
	for i := 0; ; i++ {
		select {
		case <-done:
			wantLive(t, start)
			return
		default:
			runtime.GOMAXPROCS(1 + i%9)
			if i%10 == 0 {
				runtime.GC()
			}
			if i%50 == 0 {
				if err := z.ReturnMemory(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// What one goroutine allocates and another frees must come round again rather than pile up.
func TestCache_ProducerAndConsumerDoNotPileUp(t *testing.T) {
	start := liveNow()
	const batch, batches, size = 256, 4000, 64 // 62 MiB in all
	handed := make(chan *[batch][]byte, 4)
	go func() {
		defer close(handed)
		for range batches {
			var blocks [batch][]byte
			for i := range blocks {
				blocks[i] = z.Calloc(size)
				blocks[i][0] = 1
			}
			handed <- &blocks
		}
	}()
	before := resident()
	for blocks := range handed {
		for _, b := range blocks {
			z.Free(b)
		}
	}
	wantLive(t, start)
	if grown := resident() - before; grown > 32<<20 {
		t.Errorf("resident memory grew by %d MiB", grown>>20)
	}
}

// A goroutine that ends, by Goexit or a panic, or whose stack grows right in the middle, leaves no
// P pinned, which would hang the next garbage collection, and no block lost.
func TestCache_SurvivesWhateverBefallsAGoroutine(t *testing.T) {
	start := liveNow()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGURG, syscall.SIGUSR1)
	defer signal.Stop(signals)
	defer debug.SetGCPercent(debug.SetGCPercent(5))

	var stop atomic.Bool
	var wg sync.WaitGroup
	disturb := func(f func()) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !stop.Load() {
				f()
			}
		}()
	}
	disturb(func() { // the runtime preempts with SIGURG itself; these come on top
		_ = syscall.Kill(os.Getpid(), syscall.SIGURG)
		_ = syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		time.Sleep(100 * time.Microsecond)
	})
	disturb(func() { runtime.GC() })

	var deep func(n int) byte
	deep = func(n int) byte {
		var frame [64]byte
		b := z.Calloc(1 + n%500)
		defer z.Free(b)
		if n > 0 {
			frame[n%64] = deep(n - 1)
		}
		return frame[n%64] + b[0]
	}
	deadline := time.Now().Add(time.Second)
	for seed := uint64(0); time.Now().Before(deadline); seed++ {
		var round sync.WaitGroup
		round.Add(4)
		go func() {
			defer round.Done()
			deep(500) // from a small stack to a large one
		}()
		go func() {
			defer round.Done()
			defer func() { _ = recover() }()
			b := z.Calloc(100)
			defer z.Free(b)
			_ = b[len(b)+int(seed%2)] // panics
		}()
		go func() {
			defer round.Done()
			b := z.Calloc(100)
			defer z.Free(b)
			runtime.Goexit()
		}()
		go func() {
			defer round.Done()
			churn(t, seed, 300)
		}()
		round.Wait()
	}
	stop.Store(true)
	wg.Wait()
	runtime.GC()
	wantLive(t, start)
}

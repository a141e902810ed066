package z_test

import (
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

func TestOnPressure_OncePerCrossing(t *testing.T) {
	if err := z.ReturnMemory(); err != nil {
		t.Fatal(err)
	}
	soft := z.NumHeldBytes() + 8<<20
	var calls, last atomic.Int64
	stop := z.OnPressure(soft, func(held int64) {
		last.Store(held)
		calls.Add(1)
	})
	defer stop()
	for crossing := int64(1); crossing <= 5; crossing++ {
		below := z.Calloc(7 << 20)
		start := time.Now()
		above := z.Calloc(4 << 20)
		if !eventually(func() bool { return calls.Load() >= crossing }) {
			t.Fatalf("%d calls at crossing %d", calls.Load(), crossing)
		}
		t.Logf("called after at most %v", time.Since(start))
		for range 20 { // to and fro, but not down by an eighth
			z.Free(above)
			above = z.Calloc(4 << 20)
		}
		z.Free(above)
		z.Free(below)
		time.Sleep(50 * time.Millisecond) // so that it is seen to be below, and calls too many come
		if held := last.Load(); held <= soft || calls.Load() != crossing {
			t.Errorf("%d calls at crossing %d, the last with %d, soft being %d",
				calls.Load(), crossing, held, soft)
		}
	}
}

func TestOnPressure_StoppedAndAtOnce(t *testing.T) {
	b := z.Calloc(1 << 20)
	defer z.Free(b)
	called := make(chan int64, 10)
	stop := z.OnPressure(0, func(held int64) { called <- held }) // passed already
	if held := <-called; held < 1<<20 {
		t.Errorf("called with %d", held)
	}
	stop()
	stop()
	var none atomic.Int64
	stopNone := z.OnPressure(math.MaxInt64, func(int64) { none.Add(1) })
	z.Free(z.Calloc(10 << 20))
	time.Sleep(10 * time.Millisecond)
	stopNone()
	if len(called) > 0 || none.Load() > 0 {
		t.Errorf("%d calls after stop, %d calls of what is never reached", len(called), none.Load())
	}
}

// A callback may free, allocate, and end itself; two callbacks know nothing of each other.
func TestOnPressure_CallbacksMayDoAnything(t *testing.T) {
	soft := z.NumHeldBytes() + 1<<20
	cache := make(chan []byte, 10)
	done := make(chan bool)
	var stop func()
	ready := make(chan bool)
	stop = z.OnPressure(soft, func(int64) {
		<-ready
		z.Free(<-cache)
		z.Free(z.Calloc(4 << 20))
		stop()
		close(done)
	})
	close(ready)
	slow := make(chan bool)
	defer close(slow)
	defer z.OnPressure(soft, func(int64) { <-slow })()
	cache <- z.Calloc(2 << 20)
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the callback does not run")
	}
}

func TestOnPressure_BadArguments(t *testing.T) {
	wantPanic(t, func() { z.OnPressure(-1, func(int64) {}) }, "z: OnPressure: negative size -1")
	wantPanic(t, func() { z.OnPressure(1, nil) }, "z: OnPressure: nil function")
}

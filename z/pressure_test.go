package z_test

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

// Where the callback frees nothing, it is not called again before what is held has gone down by an
// eighth.
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
		below := z.Calloc(8<<20 + 1)
		if !eventually(func() bool { return calls.Load() >= crossing }) {
			t.Fatalf("%d calls at crossing %d", calls.Load(), crossing)
		}
		time.Sleep(20 * time.Millisecond) // so that it has ended
		for range 20 {                    // to and fro, but not down by an eighth, nor much higher
			z.Free(z.Calloc(512 << 10))
		}
		z.Free(below)
		time.Sleep(50 * time.Millisecond) // so that it is seen to be below, and calls too many come
		if held := last.Load(); held <= soft || calls.Load() != crossing {
			t.Errorf("%d calls at crossing %d, the last with %d, soft being %d",
				calls.Load(), crossing, held, soft)
		}
	}
}

// store is a cache of blocks whose callback frees a part of them.
type store struct {
	mu     sync.Mutex
	blocks [][]byte
	calls  int
}

func (s *store) add(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks = append(s.blocks, b)
}

// free frees the oldest blocks until it is enough.
func (s *store) free(enough func(blocks int) func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	isEnough := enough(len(s.blocks))
	for len(s.blocks) > 0 && !isEnough() {
		z.Free(s.blocks[0])
		s.blocks = s.blocks[1:]
	}
}

func (s *store) freeAll() { s.free(func(int) func() bool { return func() bool { return false } }) }

// fill allocates blocks of n bytes, and fails the test where one is refused.
func (s *store) fill(t *testing.T, blocks, n int) {
	t.Helper()
	refused := 0
	for range blocks {
		b, err := z.TryCalloc(n)
		if err != nil {
			refused++
			continue
		}
		s.add(b)
	}
	if refused > 0 {
		t.Errorf("%d of %d were refused after %d calls", refused, blocks, s.calls)
	}
}

// What the callback frees stays parked in caches and the depot: it is drained, and the callback is
// called again, whether it frees half, a little, or just what is beyond soft. Nothing is refused.
func TestOnPressure_NothingIsRefused(t *testing.T) {
	const limit, size = 8 << 20, 200
	soft := int64(0)
	var s *store
	until := func(n int) func() bool { return func() bool { return len(s.blocks) <= n } }
	frees := map[string]func(blocks int) func() bool{
		"half":                func(n int) func() bool { return until(n / 2) },
		"a little":            func(n int) func() bool { return until(n - 500) },
		"what is beyond soft": func(int) func() bool { return func() bool { return z.NumAllocBytes() < soft } },
	}
	for name, enough := range frees {
		t.Run(name, func(t *testing.T) {
			start := liveNow()
			underLimit(t, limit)
			soft = z.SetLimit(-1) - limit/4
			s = new(store)
			stop := z.OnPressure(soft, func(int64) { s.free(enough) })
			s.fill(t, 400_000, size)
			stop()
			if s.calls < 2 {
				t.Errorf("%d calls", s.calls)
			}
			s.freeAll()
			wantLive(t, start)
		})
	}
}

// A single allocation that soft does not see coming waits for the callback, by whatever path.
func TestOnPressure_RefusedWaits(t *testing.T) {
	const limit = 16 << 20
	for name, take := range takes {
		t.Run(name, func(t *testing.T) {
			start := liveNow()
			underLimit(t, limit)
			var s store
			defer z.OnPressure(z.SetLimit(-1)-limit/8, func(int64) { s.freeAll() })()
			s.fill(t, 10, 1<<20)
			if err := take(8 << 20); err != nil {
				t.Errorf("with %d calls: %v", s.calls, err)
			}
			if s.calls != 1 {
				t.Errorf("%d calls", s.calls)
			}
			wantLive(t, start)
		})
	}
}

// A callback that allocates beyond the limit does not wait for itself; nor does anybody wait for ever,
// or at each allocation, for one that is of no help, is waiting itself, or is below a limit that is
// lower still.
func TestOnPressure_WaitsEnd(t *testing.T) {
	const limit = 4 << 20
	refusals := func(n int) time.Duration {
		begin := time.Now()
		for range n {
			_, err := z.TryCalloc(limit)
			wantErrLimit(t, "TryCalloc", err)
		}
		return time.Since(begin)
	}
	block := make(chan bool)
	var deep func(n int) time.Duration
	deep = func(n int) time.Duration {
		if n == 0 {
			return refusals(1)
		}
		return deep(n-1) + 0
	}
	var own time.Duration
	for _, test := range []struct {
		name string
		f    func(int64)
		soft int64
		most time.Duration
	}{
		{"frees nothing", func(int64) {}, limit / 2, 900 * time.Millisecond},
		{"allocates", func(int64) { own = max(own, deep(300)) }, limit / 2, 900 * time.Millisecond},
		{"waits", func(int64) { <-block }, limit / 2, 2500 * time.Millisecond},
		{"is beyond the limit", func(int64) { t.Error("called") }, 2 * limit, 900 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			underLimit(t, limit)
			base := z.SetLimit(-1) - limit
			b := z.Calloc(limit / 4)
			defer z.Free(b)
			defer z.OnPressure(base+test.soft, test.f)()
			if took := refusals(100); took > test.most {
				t.Errorf("100 refusals took %v", took)
			}
			if test.name == "waits" {
				close(block)
			}
		})
	}
	if own == 0 || own > 900*time.Millisecond {
		t.Errorf("an allocation in the callback was refused after %v", own)
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
	if err := z.ReturnMemory(); err != nil { // what is parked would go back before a call
		t.Fatal(err)
	}
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

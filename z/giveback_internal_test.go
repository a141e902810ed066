package z

import (
	"runtime"
	"testing"
	"time"
)

// Whatever frees more than a cache takes is noticed, and the timer that it starts ends by itself.
func TestGiveBack_TimerOnlyWhereThereIsSomething(t *testing.T) {
	frees := map[string]func(){
		"large block":          func() { Free(Calloc(1 << 20)) },
		"Buffer":               func() { _ = NewBuffer(100).Release() },
		"Allocator":            func() { NewAllocator(100).Release() },
		"Allocator to no pool": func() { (*AllocatorPool)(nil).Return(NewAllocator(100)) },
		"more than a cache has": func() {
			blocks := make([][]byte, 4096*runtime.GOMAXPROCS(0))
			for i := range blocks {
				blocks[i] = Calloc(100)
			}
			for _, b := range blocks {
				Free(b)
			}
		},
	}
	for name, free := range frees {
		noticedIt := false
		for try := 0; !noticedIt && try < 10; try++ { // a look may come between the two
			looking.CompareAndSwap(noticed, waiting)
			free()
			noticedIt = looking.Load() == noticed
		}
		if !noticedIt {
			t.Errorf("%s: nothing is noticed", name)
		}
	}
	for deadline := time.Now().Add(time.Minute); looking.Load() != asleep; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("there is a timer still, a minute after the last Free")
		}
	}
	Free(Calloc(1 << 20))
	if looking.Load() == asleep {
		t.Error("there is no timer after a Free")
	}
}

//go:build gc && !leak && !zmem_nolinkname

package z

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// The counters and the countdowns share one cache line, apart from all else, and no shelf straddles two.
// Nothing that a call changes is in the first line of a page: see zm_layout.h.
func TestCache_Layout(t *testing.T) {
	var k c.Cache
	const line, page = 64, 4096
	counters, shelves := unsafe.Offsetof(k.AllocatedBytes), unsafe.Offsetof(k.Shelves)
	if size := unsafe.Sizeof(k); counters%line != 0 || size != counters+line {
		t.Errorf("the counters begin at %d of %d bytes", counters, size)
	}
	if size := unsafe.Sizeof(c.Shelf{}); shelves%line != 0 || line%size != 0 {
		t.Errorf("shelves of %d bytes begin at %d", size, shelves)
	}
	if size := unsafe.Sizeof(c.Magazine{}); size != line {
		t.Errorf("the blocks of a magazine begin at %d", size)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(16))
	var wg sync.WaitGroup
	for range 64 {
		wg.Add(1)
		go func() { // on as many Ps as there may be
			defer wg.Done()
			for range 1000 {
				Free(Calloc(8))
			}
		}()
	}
	wg.Wait()
	for i := range caches {
		k := uintptr(atomic.LoadPointer(&caches[i]))
		if k == 0 {
			continue
		}
		if k%line != 0 || (k+shelves)%page < line || (k+counters)%page < line || k/page != (k+counters)/page {
			t.Errorf("cache %d is at %#x", i, k)
		}
	}
}

func TestCache_CountdownReachesTheSample(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one P, one cache
	k := repin()
	k.SampleAt = k.AllocatedBytes + 100
	unpin(k)
	for _, want := range []bool{false, false, false, true} { // 32, 64, 96, 128 bytes
		b := Calloc(32)
		if sampled := isSampled(startOf(b)); runtime.GOMAXPROCS(0) == 1 && sampled != want {
			t.Errorf("sampled %v, want %v", sampled, want)
		}
		Free(b)
	}
}

// classOf finds the smallest class that n fits in, and agrees with C's.
func TestClassOf_EverySize(t *testing.T) {
	for n := uintptr(1); n <= c.SmallMax; n++ {
		class := classOf(n)
		if size := c.ClassSize(int(class)); size < n || class > 0 && c.ClassSize(int(class)-1) >= n {
			t.Fatalf("classOf(%d) = %d, of size %d", n, class, size)
		}
		if good := c.GoodSize(n); good != c.ClassSize(int(class)) {
			t.Fatalf("GoodSize(%d) = %d, but its class has %d", n, good, c.ClassSize(int(class)))
		}
	}
}

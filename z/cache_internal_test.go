//go:build gc && !leak && !zmem_nolinkname

package z

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// The counters and the countdowns share one cache line, apart from all else, and no shelf straddles two.
// Nothing that changes is in the first line of a cache, which may begin a page: see zm_layout.h.
func TestCache_CountersFillOneCacheLine(t *testing.T) {
	var k c.Cache
	if size, line := unsafe.Sizeof(k), unsafe.Offsetof(k.AllocatedBytes); line%64 != 0 || size != line+64 {
		t.Errorf("the counters begin at %d of %d bytes", line, size)
	}
	if off, size := unsafe.Offsetof(k.Shelves), unsafe.Sizeof(c.Shelf{}); off != 64 || 64%size != 0 {
		t.Errorf("shelves of %d bytes begin at %d", size, off)
	}
	if size := unsafe.Sizeof(c.Magazine{}); size < 64 {
		t.Errorf("the blocks of a magazine begin at %d", size)
	}
	b := Calloc(8) // so that there is a cache
	defer Free(b)
	p := repin()
	at := uintptr(unsafe.Pointer(&p.AllocatedBytes))
	unpin(p)
	if at%64 != 0 {
		t.Errorf("the counters are at %#x", at)
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

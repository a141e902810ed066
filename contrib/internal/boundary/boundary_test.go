package boundary

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/z"
	"github.com/zmem-go/zmem/z/ztest"
)

// Small, of a magazine's largest class, and larger ones, which take other ways through Free.
var sizes = []int{1, 8, 100, 4096, 64 << 10, 64<<10 + 1, 3 << 20}

// C frees what Go allocated, and Go what C allocated, each with the call that docs/memory-rules.md
// names. The counters return to where they were, and under the leak tag no block is left listed.
func TestFree_AcrossTheBoundary(t *testing.T) {
	ztest.Check(t)
	for _, rate := range []int{0, 1, z.DefaultProfileRate} { // sampled blocks have addresses of their own
		defer z.SetProfileRate(z.SetProfileRate(rate))
		bytesBefore, blocksBefore, heldBefore := z.NumAllocBytes(), z.NumAllocs(), z.NumHeldBytes()
		for _, n := range sizes {
			for range 2000 / (1 + n/4096) { // so many that magazines are exchanged
				fromGo := z.Calloc(n, "Go")
				fromGo[0], fromGo[n-1] = 'g', 'g'
				if !Free(fromGo) {
					t.Fatalf("C could not free Go's %d bytes", n)
				}
				fromC := Alloc(n)
				if !bytes.Equal(fromC, bytes.Repeat([]byte("c"), n)) {
					t.Fatalf("C's %d bytes are not what C wrote", n)
				}
				z.Free(fromC)
				if again := z.Calloc(n, "Go"); !bytes.Equal(again, make([]byte, n)) {
					t.Fatalf("%d bytes after C's were freed are not zero", n)
				} else {
					z.Free(again)
				}
			}
		}
		if b, n := z.NumAllocBytes(), z.NumAllocs(); b != bytesBefore || n != blocksBefore {
			t.Errorf("rate %d: %d bytes in %d blocks are live, %d in %d were", rate, b, n, bytesBefore, blocksBefore)
		}
		if err := z.ReturnMemory(); err != nil {
			t.Fatal(err)
		}
		if held := z.NumHeldBytes(); held > heldBefore {
			t.Errorf("rate %d: %d bytes are held, %d were", rate, held, heldBefore)
		}
	}
}

// What C takes from an Allocator is freed by the Allocator's Release.
func TestAllocator_IsKnownToCByItsRef(t *testing.T) {
	ztest.Check(t)
	a := z.NewAllocator(512)
	for _, n := range []int{1, 100, 100_000} {
		if b := Allocate(a.Ref, n); !bytes.Equal(b, bytes.Repeat([]byte("c"), n)) {
			t.Errorf("C got %d bytes of %d", len(b), n)
		}
	}
	if a.Size() < 100_101 {
		t.Errorf("%d bytes are used", a.Size())
	}
	ref := a.Ref
	a.Release()
	if Allocate(ref, 1) != nil {
		t.Error("C found an Allocator that was released")
	}
}

// The documented call takes the block by its first byte, as z.Free does.
func TestFree_OfASlice(t *testing.T) {
	ztest.Check(t)
	b := z.Calloc(100)
	if !Free(b[:0]) {
		t.Error("C could not free it by its capacity")
	}
	if Free(unsafe.Slice((*byte)(nil), 0)) != true {
		t.Error("NULL is not passed over")
	}
}

//go:build zmem_check && gc && !zmem_nolinkname && !leak

package z

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// Each invariant of a shelf is seen when it is broken.
func TestCheck_Shelf(t *testing.T) {
	one, two := &c.Magazine{Cap: 8}, &c.Magazine{Cap: 8}
	whole := c.Shelf{Loaded: one, Previous: two, Len: 3, Cap: 8}
	if got := shelfFault(&whole); got != "" {
		t.Errorf("a shelf in order: %s", got)
	}
	if got := shelfFault(&c.Shelf{Loaded: c.NoMagazine, Previous: c.NoMagazine}); got != "" {
		t.Errorf("an empty shelf: %s", got)
	}
	for _, broken := range []struct {
		want string
		s    c.Shelf
	}{
		{sprintf("magazine %p is both loaded and previous", one), c.Shelf{Loaded: one, Previous: one, Cap: 8}},
		{sprintf("loaded %p, previous %p", (*c.Magazine)(nil), two), c.Shelf{Previous: two}},
		{"cap 7, the loaded magazine's 8", c.Shelf{Loaded: one, Previous: two, Cap: 7}},
		{"len 9, cap 8", c.Shelf{Loaded: one, Previous: two, Len: 9, Cap: 8}},
		{"previous: len 9, cap 8", c.Shelf{Loaded: one, Previous: &c.Magazine{Len: 9, Cap: 8}, Cap: 8}},
	} {
		if got := shelfFault(&broken.s); got != broken.want {
			t.Errorf("%q, want %q", got, broken.want)
		}
	}
}

// A cache that a P and the spare ones have at once is seen, and so is a spare one with blocks.
func TestCheck_Caches(t *testing.T) {
	Free(Calloc(100))
	cachesMu.Lock()
	defer cachesMu.Unlock()
	var k *c.Cache
	for i := range caches {
		if p := (*c.Cache)(atomic.LoadPointer(&caches[i])); p != nil {
			k = p
		}
	}
	spare = append(spare, k)
	wantBroken(t, sprintf("z: check: cache %p is a P's and spare", unsafe.Pointer(k)), checkCaches)
	spare = spare[:len(spare)-1]

	full := new(c.Cache) // its shelves have no magazine, not even NoMagazine
	spare = append(spare, full)
	wantBroken(t, sprintf("z: check: spare cache %p has blocks", full), checkCaches)
	spare = spare[:len(spare)-1]
	checkCaches()
}

//go:build !leak

package z

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// liveOf is what the profile has live with a tag.
func liveOf(tag string) (bytes int64) {
	for _, s := range profileSites() {
		if s.Site.Tag() == tag {
			bytes += s.LiveBytes
		}
	}
	return bytes
}

func TestSample_AddedMemory(t *testing.T) {
	defer SetProfileRate(SetProfileRate(1))
	var mapping [8]byte // stands for it
	p := unsafe.Pointer(&mapping)
	sampleAdded(p, 1<<20, "mapping")
	if n := liveOf("mapping"); n != 1<<20 {
		t.Errorf("%d bytes are live", n)
	}
	c.ProfileRemove(p)
	c.ProfileRemove(p)
	if n := liveOf("mapping"); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

func TestSample_OffIsSaid(t *testing.T) {
	defer SetProfileRate(SetProfileRate(0))
	if comments := profileComments(); !slices.Contains(comments, "zmem: sampling is off") {
		t.Errorf("comments: %q", comments)
	}
	b := Calloc(1<<20, "off")
	defer Free(b)
	if n := liveOf("off"); n != 0 {
		t.Errorf("%d bytes are live", n)
	}
}

// A sampled block is freed whole, whatever its capacity is then.
func TestSample_ShortenedCapacity(t *testing.T) {
	defer SetProfileRate(SetProfileRate(1))
	bytes, objects := NumAllocBytes(), NumAllocs()
	var seen []unsafe.Pointer
	for range 100 {
		b := Calloc(1000, "short")
		if !isSampled(startOf(b)) {
			t.Fatal("not sampled")
		}
		Free(b[:10:10])
		if at := startOf(b); !slices.Contains(seen, at) {
			seen = append(seen, at)
		}
		if liveOf("short") != 0 {
			t.Fatal("the record is left")
		}
	}
	if len(seen) > 2 {
		t.Errorf("%d blocks, none of which was used again", len(seen))
	}
	if NumAllocs() != objects || NumAllocBytes() != bytes+100*990 {
		t.Errorf("%d bytes in %d blocks more", NumAllocBytes()-bytes, NumAllocs()-objects)
	}
	for wrong := uintptr(100 * 990); wrong > 0; { // sets the counter right, by sizes of one class
		n := min(wrong, 8191)
		p, _ := c.TryCalloc(57344-n, 0)
		c.Free(p, 57344)
		wrong -= n
	}
}

package z

import (
	"strings"
	"testing"
)

// holder stands for an Allocator or a Buffer.
type holder struct{ b []byte }

//go:noinline
func newHolder(n int) *holder {
	h := &holder{Calloc(n)}
	watchRelease(h, &h.b[0], "holder", func(*byte) uint64 { return uint64(n) })
	return h
}

func (h *holder) release() {
	released(&h.b[0])
	Free(h.b)
}

func TestUnreleased_ReleasedIsNotListed(t *testing.T) {
	for range 10 {
		newHolder(100).release()
	}
	waitForFinalizers()
	if leaks := Leaks(); strings.Contains(leaks, "UNREACHABLE") {
		t.Errorf("Leaks:\n%s", leaks)
	}
}

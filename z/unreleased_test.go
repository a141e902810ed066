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
	watchRelease(h, "holder", (*holder).size)
	return h
}

func (h *holder) size() int64 { return int64(len(h.b)) }

func (h *holder) release() {
	released(h)
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

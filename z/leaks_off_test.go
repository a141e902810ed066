//go:build !leak

package z_test

import (
	"strings"
	"testing"

	"github.com/zmem-go/zmem/z"
)

func TestLeaks_SaysHowToTurnItOn(t *testing.T) {
	if got := z.Leaks(); !strings.Contains(got, "-tags leak") {
		t.Errorf("Leaks: %q", got)
	}
}

func TestFindGoPointers_SaysHowToTurnItOn(t *testing.T) {
	if got := z.FindGoPointers().String(); !strings.Contains(got, "-tags leak") {
		t.Errorf("FindGoPointers: %q", got)
	}
}

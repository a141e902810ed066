//go:build leak

package boundary

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zmem-go/zmem/z"
	"github.com/zmem-go/zmem/z/ztest"
)

// Under the leak tag both sides report a second free, whoever freed the block first, and C's blocks
// are listed with their stack.
func TestLeakTag_ReportsFreesAcrossTheBoundary(t *testing.T) {
	ztest.Check(t)
	b := Alloc(100)
	if leaks := z.Leaks(); !strings.Contains(leaks, `LEAK: 100 at func: boundary_alloc`) &&
		!strings.Contains(leaks, `tag "C"`) {
		t.Errorf("C's block is not listed:\n%s", leaks)
	}
	z.Free(b)
	if Free(b) {
		t.Error("C freed what Go had freed")
	}
	b = z.Calloc(100)
	if Free(b[:10:10]) {
		t.Error("C freed 10 bytes of a block of 100")
	}
	if !Free(b) {
		t.Error("C could not free it")
	}
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "freed already") || !strings.Contains(got, "freed by:") {
			t.Errorf("Go freed what C had freed: %s", got)
		}
	}()
	z.Free(b)
}

package z_test

import (
	"strings"
	"testing"

	"github.com/zmem-go/zmem/z"
)

func init() {
	children["report"] = func() {
		defer z.ReportLeaks()
		z.Calloc(128, "lost")
	}
	children["nothing to report"] = func() {
		defer z.ReportLeaks()
		z.Free(z.Calloc(128))
	}
}

func TestReportLeaks(t *testing.T) {
	leak, none := []string{"128 bytes", "blocks: 1", "-tags leak"}, []string{"z: 0 bytes", "-tags leak"}
	if z.LeakTracking {
		leak, none = []string{"LEAK: 128 at func: ", `tag "lost"`}, []string{"no leaks found\n"}
	}
	for _, c := range []struct {
		child, env string
		want       []string
	}{
		{"report", "ZMEM_LEAKS=1", leak},
		{"nothing to report", "ZMEM_LEAKS=1", none},
		{"report", "ZMEM_LEAKS=", nil},
		{"report", "ZMEM_LEAKS=0", nil},
	} {
		out, err := runChild(t, c.child, c.env)
		if err != nil || (c.want == nil) != (out == "") {
			t.Errorf("%s with %s: %v\n%s", c.child, c.env, err, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s with %s: lacks %q:\n%s", c.child, c.env, want, out)
			}
		}
	}
}

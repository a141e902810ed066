package callback

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/zmem-go/zmem/z"
)

var blocks [][]byte

//go:noinline
func one(f func()) { Through(f) }

//go:noinline
func other(f func()) { Through(f) }

// C need not keep frame pointers, by which z finds the callers of Calloc.
func TestProfile_TellsCallersBeyondCApart(t *testing.T) {
	defer z.SetProfileRate(z.SetProfileRate(1))
	allocate := func() { blocks = append(blocks, z.Calloc(100, "callback")) }
	for range 3 {
		one(allocate)
		other(allocate)
		other(allocate)
	}
	var out bytes.Buffer
	if err := z.WriteHeapProfile(&out); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		z.Free(b)
	}
	p, err := profile.Parse(&out)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int64{}
	for _, s := range p.Sample {
		for _, l := range s.Location {
			_, function, _ := strings.Cut(l.Line[0].Function.Name, "callback.")
			count[function] += s.Value[0]
		}
	}
	if count["one"] != 3 || count["other"] != 6 {
		t.Errorf("%d blocks by one, %d by other", count["one"], count["other"])
	}
}

package z_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zmem-go/zmem/z"
)

func init() {
	children["backend"] = func() {
		b := z.Calloc(100)
		defer z.Free(b)
		fmt.Println("backend:", z.Backend())
	}
	for name, f := range firstUses {
		children["first use: "+name] = f
	}
}

// firstUses are calls that a program may begin with.
var firstUses = map[string]func(){
	"Calloc":        func() { z.Calloc(8) },
	"TryCalloc":     func() { _, _ = z.TryCalloc(8) },
	"CallocNoRef":   func() { z.CallocNoRef(8) },
	"CallocAligned": func() { z.CallocAligned(8, 64) },
	"ReadMemStats":  func() { z.ReadMemStats(new(z.MemStats)) },
	"WriteStats":    func() { _ = z.WriteStats(new(bytes.Buffer)) },
	"ReturnMemory":  func() { _ = z.ReturnMemory() },
	"Backend":       func() { z.Backend() },
}

func TestBackend_Choices(t *testing.T) {
	if !slices.Contains(z.Backends(), z.Backend()) {
		t.Fatalf("%q is not one of %q", z.Backend(), z.Backends())
	}
	for _, name := range append(z.Backends(), "") {
		want := name
		if want == "" {
			want = z.Backends()[0]
		}
		out, err := runChild(t, "backend", "ZMEM_BACKEND="+name)
		if err != nil || !strings.Contains(out, "backend: "+want+"\n") {
			t.Errorf("ZMEM_BACKEND=%q: %v\n%s", name, err, out)
		}
	}
}

func TestBackend_UnknownPanicsAtFirstUse(t *testing.T) {
	for name := range firstUses {
		for _, backend := range []string{"tcmalloc", "LIBC", " libc"} {
			out, err := runChild(t, "first use: "+name, "ZMEM_BACKEND="+backend)
			want := "panic: z: ZMEM_BACKEND=" + backend + ": no such backend in this build, which has: " +
				strings.Join(z.Backends(), ", ")
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%s with ZMEM_BACKEND=%q: %v\n%s\nwant: %s", name, backend, err, out, want)
			}
		}
	}
}

func TestWriteStats(t *testing.T) {
	var out bytes.Buffer
	if err := z.WriteStats(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.ToLower(out.String()), "allocated") {
		t.Errorf("no figure of allocated memory in:\n%s", out.String())
	}
	if err := z.WriteStats(brokenWriter{}); !errors.Is(err, errBroken) {
		t.Errorf("a writer that fails: %v", err)
	}
}

var errBroken = errors.New("broken")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestZeroOut(t *testing.T) {
	for _, c := range []struct {
		start, end int
		want       string
	}{
		{0, 4, "...."}, {1, 3, "x..x"}, {2, 99, "xx.."}, {-1, 2, "xxxx"}, {4, 8, "xxxx"},
		{3, 2, "xxxx"}, {2, 2, "xxxx"}, {0, -5, "xxxx"}, {9, 12, "xxxx"},
	} {
		b := []byte("xxxx")
		z.ZeroOut(b, c.start, c.end)
		if got := strings.ReplaceAll(string(b), "\x00", "."); got != c.want {
			t.Errorf("ZeroOut(%d, %d): %q, want %q", c.start, c.end, got, c.want)
		}
	}
	z.ZeroOut(nil, 0, 10)
}

package ztest_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
	"github.com/zmem-go/zmem/z/ztest"
)

// TestMain is how a package uses VerifyTestMain; a child of TestVerifyTestMain runs it on other tests
// than those of this file.
func TestMain(m *testing.M) {
	if name := os.Getenv("ZTEST_CHILD"); name != "" {
		runScenario(name)
		ztest.VerifyTestMain(children[name], ztest.Wait(10*time.Millisecond))
	}
	ztest.VerifyTestMain(m)
}

// tests are some, and what they return.
type tests func() int

func (f tests) Run() int { return f() }

var children = map[string]tests{
	"clean":          func() int { z.Free(z.Calloc(100)); return 0 },
	"leak":           func() int { leak(100, "kept"); return 0 },
	"fail":           func() int { return 3 },
	"fail and leak":  func() int { leak(100, "kept"); return 3 },
	"leak no memory": func() int { z.Calloc(0); return 0 },
	"reported":       func() int { leak(100, "kept"); ztest.VerifyNone(&recorder{}, noWait); return 0 },
	"two, one reported": func() int {
		leak(50, "told")
		ztest.VerifyNone(&recorder{}, noWait)
		leak(100, "kept")
		return 0
	},
}

//go:noinline
func leak(n int, tag string) []byte { return z.Calloc(n, tag) }

func TestVerifyTestMain(t *testing.T) {
	for name, code := range map[string]int{
		"clean": 0, "leak": 1, "fail": 3, "fail and leak": 3, "leak no memory": 0,
		"reported": 0, "two, one reported": 1,
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "ZTEST_CHILD="+name)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("%s: exit code %d, want %d\n%s", name, got, code, out)
		}
		says := strings.Contains(string(out), "100 bytes of manual memory were not freed (blocks: 1)")
		if says != (code == 1) {
			t.Errorf("%s: printed:\n%s", name, out)
		}
		if code == 1 {
			wantNamed(t, string(out))
		}
	}
}

// wantNamed fails the test unless text says where a leak comes from, or how to find out.
func wantNamed(t *testing.T, text string) {
	t.Helper()
	want := "go test -tags leak says who allocated"
	if z.LeakTracking {
		want = ".leak ztest_test.go:"
	}
	if !strings.Contains(text, want) {
		t.Errorf("lacks %q:\n%s", want, text)
	}
}

// recorder is a test that keeps what it is told.
type recorder struct {
	testing.TB
	name     string
	errors   []string
	cleanups []func()
}

func (r *recorder) Name() string      { return r.name }
func (r *recorder) Helper()           {}
func (r *recorder) Error(args ...any) { r.errors = append(r.errors, fmt.Sprint(args...)) }
func (r *recorder) Cleanup(f func())  { r.cleanups = append(r.cleanups, f) }

// end runs the cleanups, and returns what the test was told.
func (r *recorder) end() string {
	for n := len(r.cleanups) - 1; n >= 0; n-- {
		r.cleanups[n]()
	}
	r.cleanups = nil
	return strings.Join(r.errors, "\n")
}

// run is what a test of that name is told that does what f says.
func run(name string, f func(t *recorder)) string {
	t := &recorder{name: name}
	f(t)
	return t.end()
}

// verify is what VerifyNone says to a test; empty where it lets it pass.
func verify(opts ...ztest.Option) string {
	var r recorder
	ztest.VerifyNone(&r, opts...)
	return strings.Join(r.errors, "\n")
}

var noWait = ztest.Wait(0)

func TestVerifyNone(t *testing.T) {
	if got := verify(noWait); got != "" {
		t.Errorf("with nothing live: %s", got)
	}
	b := leak(100, "index")
	got := verify(noWait)
	if !strings.Contains(got, "100 bytes of manual memory were not freed (blocks: 1)") {
		t.Errorf("with 100 bytes live: %q", got)
	}
	wantNamed(t, got)
	if z.LeakTracking && !strings.Contains(got, `tag "index"`) {
		t.Errorf("no tag in:\n%s", got)
	}
	z.Free(b)
	if got := verify(noWait); got != "" {
		t.Errorf("with all freed: %s", got)
	}
}

func TestVerifyNone_IgnoreCurrent(t *testing.T) {
	old := leak(100, "old")
	ignore := ztest.IgnoreCurrent()
	if got := verify(noWait, ignore); got != "" {
		t.Errorf("with nothing new: %s", got)
	}
	more := leak(50, "new")
	if got := verify(noWait, ignore); !strings.Contains(got, "50 bytes of manual memory were not freed (blocks: 1)") ||
		strings.Contains(got, `"old"`) {
		t.Errorf("with 50 bytes more: %s", got)
	}
	if got := verify(noWait, ignore); got != "" {
		t.Errorf("once more: %s", got)
	}
	z.Free(more)
	more = leak(50, "newer")
	z.Free(old) // with the leak tag, that does not make up for the other
	if got := verify(noWait, ignore); z.LeakTracking && !strings.Contains(got, "50 bytes of manual memory were not freed (blocks: 1)") {
		t.Errorf("with 50 bytes more and 100 less: %q", got)
	}
	z.Free(more)
	if got := verify(noWait, ignore); got != "" {
		t.Errorf("with all freed: %s", got)
	}
}

func TestVerifyNone_SaysWhenIgnoreCurrentIgnoresAll(t *testing.T) {
	const misuse = "IgnoreCurrent was called just before VerifyNone"
	ends := map[string]func(*recorder){
		"cleanup":  func(r *recorder) { r.Cleanup(func() { ztest.VerifyNone(r, ztest.IgnoreCurrent(), noWait) }) },
		"deferred": func(r *recorder) { defer func() { ztest.VerifyNone(r, ztest.IgnoreCurrent(), noWait) }() },
	}
	for where, end := range ends {
		b := leak(100, "lost")
		if got := run(where, end); !strings.Contains(got, misuse) || !strings.Contains(got, "100 bytes") {
			t.Errorf("%s: %q", where, got)
		}
		z.Free(b)
		if got := run(where, end); got != "" {
			t.Errorf("%s, with nothing to ignore: %q", where, got)
		}
	}
	old := leak(100, "old")
	defer z.Free(old)
	if got := run("deferred call", func(r *recorder) {
		defer ztest.VerifyNone(r, ztest.IgnoreCurrent(), noWait)
		z.Free(z.Calloc(10))
	}); got != "" {
		t.Errorf("evaluated at the start: %q", got)
	}
	if got := run("at the start", func(r *recorder) {
		ignore := ztest.IgnoreCurrent()
		r.Cleanup(func() { ztest.VerifyNone(r, ignore, noWait) })
	}); got != "" {
		t.Errorf("called at the start: %q", got)
	}
}

func TestFind_SaysTheSameAgain(t *testing.T) {
	b := leak(100, "found")
	for range 2 {
		if err := ztest.Find(noWait); err == nil || !strings.Contains(err.Error(), "100 bytes") {
			t.Errorf("%v", err)
		}
	}
	if got := verify(noWait); !strings.Contains(got, "100 bytes") {
		t.Errorf("a test, after it was found: %q", got)
	}
	if err := ztest.Find(noWait); err != nil {
		t.Errorf("after a test was failed for it: %v", err)
	}
	z.Free(b)
	if err := ztest.Find(noWait); err != nil {
		t.Errorf("after it was freed: %v", err)
	}
}

func TestVerifyNone_WaitsForGoroutines(t *testing.T) {
	b := leak(100, "late")
	time.AfterFunc(50*time.Millisecond, func() { z.Free(b) })
	if got := verify(ztest.Wait(10 * time.Second)); got != "" {
		t.Errorf("freed 50 ms later: %s", got)
	}
	never := leak(100, "too late")
	start := time.Now()
	if verify(ztest.Wait(30*time.Millisecond)) == "" || time.Since(start) < 30*time.Millisecond {
		t.Errorf("gave up after %v", time.Since(start))
	}
	z.Free(never)
}

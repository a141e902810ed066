package z_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

// TestMain fails a run that leaves manual memory live, and plays the child of runChild.
func TestMain(m *testing.M) {
	if name := os.Getenv("ZMEM_TEST_CHILD"); name != "" {
		children[name]()
		os.Exit(0)
	}
	code := m.Run()
	if n := z.NumAllocBytes(); n != 0 || z.NumAllocs() != 0 {
		fmt.Fprintf(os.Stderr, "FAIL: the tests left %d bytes in %d blocks\n%s", n, z.NumAllocs(), z.Leaks())
		code = 1
	}
	os.Exit(code)
}

// children are what a child process does in place of the tests.
var children = map[string]func(){}

// runChild runs children[name] in a process of its own, with more environment, and returns all that
// it printed and how it ended.
func runChild(t *testing.T, name string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "ZMEM_TEST_CHILD="+name), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// alone says whether the test has the process to itself; where it has not, it runs it again in one
// where it does. Other tests decide what libc keeps for later: having freed large blocks, it keeps
// up to 64 MiB for each of its arenas, where malloc_trim does not get.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv("ZMEM_TEST_ALONE") != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "ZMEM_TEST_ALONE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("alone: %v\n%s", err, out)
	}
	return false
}

// eventually says whether done comes true within ten seconds.
func eventually(done func() bool) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if done() {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return done()
}

// live is what the counters say.
type live struct{ bytes, blocks int64 }

func liveNow() live { return live{z.NumAllocBytes(), z.NumAllocs()} }

// wantLive fails the test unless the counters stand at want.
func wantLive(t *testing.T, want live) {
	t.Helper()
	if got := liveNow(); got != want {
		t.Fatalf("live: %d bytes in %d blocks, want %d in %d", got.bytes, got.blocks, want.bytes, want.blocks)
	}
}

// panicOf is what f panics with; nil where it returns.
func panicOf(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// wantPanic fails the test unless f panics with text that contains each of want.
func wantPanic(t *testing.T, f func(), want ...string) {
	t.Helper()
	v := panicOf(f)
	if v == nil {
		t.Fatalf("no panic, want one with %q", want)
	}
	for _, w := range want {
		if !strings.Contains(fmt.Sprint(v), w) {
			t.Fatalf("panic %q lacks %q", v, w)
		}
	}
}

package ztest_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
	"github.com/zmem-go/zmem/z/ztest"
)

// The scenarios are tests that leak, which package testing runs in a process of their own. Each leak
// has a size of its own, so that the report of it is known wherever it stands.
type scenario struct {
	tests []testing.InternalTest
	want  map[string][]string // by test, what it is told
	leak  map[string][]string // the same with the leak tag, where it differs
}

var quick = ztest.Wait(20 * time.Millisecond)

var scenarios = map[string]scenario{
	"subtests": {
		tests: []testing.InternalTest{
			{Name: "TestParent", F: func(t *testing.T) {
				ztest.Check(t, quick)
				t.Run("leaks", func(t *testing.T) { ztest.Check(t, quick); leak(1001, "a") })
				t.Run("clean", func(t *testing.T) { ztest.Check(t, quick); z.Free(leak(1002, "b")) })
				t.Run("uses defer", func(t *testing.T) { defer ztest.VerifyNone(t, quick); z.Free(leak(1003, "c")) })
			}},
			{Name: "TestNext", F: func(t *testing.T) { ztest.Check(t, quick) }},
			{Name: "TestParentLeaks", F: func(t *testing.T) {
				ztest.Check(t, quick)
				leak(1004, "d")
				t.Run("clean", func(t *testing.T) { ztest.Check(t, quick) })
			}},
		},
		want: map[string][]string{"TestParent/leaks": {"1001 bytes"}, "TestParentLeaks": {"1004 bytes"}},
	},
	"cleanups": {
		tests: []testing.InternalTest{
			{Name: "TestCleanup", F: func(t *testing.T) {
				ztest.Check(t, quick)
				b := leak(1001, "a")
				t.Cleanup(func() { z.Free(b) })
				t.Run("sub", func(t *testing.T) {
					ztest.Check(t, quick)
					b := leak(1002, "b")
					t.Cleanup(func() { z.Free(b) })
				})
			}},
			{Name: "TestFatal", F: func(t *testing.T) {
				ztest.Check(t, quick)
				b := leak(1003, "c")
				t.Cleanup(func() { z.Free(b) })
				t.FailNow()
			}},
			{Name: "TestLate", F: func(t *testing.T) {
				leak(1004, "d")
				t.Cleanup(func() { ztest.VerifyNone(t, ztest.IgnoreCurrent(), quick) })
				t.Cleanup(func() { ztest.Check(t, quick) })
			}},
		},
		want: map[string][]string{"TestLate": {"Check was called in a cleanup", "IgnoreCurrent was called just before"}},
	},
	"parallel": {
		tests: []testing.InternalTest{
			{Name: "TestParallel", F: func(t *testing.T) {
				ztest.Check(t, quick)
				var ended, holding sync.WaitGroup
				ended.Add(1)
				holding.Add(1)
				t.Run("first", func(t *testing.T) {
					t.Parallel()
					ztest.Check(t, quick)
					holding.Wait()
					t.Cleanup(func() { time.AfterFunc(200*time.Millisecond, ended.Done) })
				})
				t.Run("holds", func(t *testing.T) {
					t.Parallel()
					ztest.Check(t, quick)
					defer z.Free(leak(1001, "held"))
					leak(1002, "lost")
					holding.Done()
					ended.Wait() // the other has looked by then
				})
			}},
			{Name: "TestNext", F: func(t *testing.T) { ztest.Check(t, quick) }},
		},
		want: map[string][]string{"TestParallel/holds": {
			"1002 bytes", "at the same time: TestParallel/first, TestParallel/holds"}},
	},
	"parallel, by tag": {
		tests: []testing.InternalTest{{Name: "TestParallel", F: func(t *testing.T) {
			var holding, ended sync.WaitGroup
			holding.Add(1)
			ended.Add(1)
			t.Run("leaks", func(t *testing.T) {
				t.Parallel()
				ztest.Check(t, quick, ztest.Tag(t.Name()))
				holding.Wait()
				leak(1001, t.Name())
				t.Cleanup(func() { time.AfterFunc(200*time.Millisecond, ended.Done) })
			})
			t.Run("holds", func(t *testing.T) {
				t.Parallel()
				ztest.Check(t, quick, ztest.Tag(t.Name()))
				b := leak(1002, t.Name())
				holding.Done()
				ended.Wait()
				z.Free(b)
			})
		}}},
		want: map[string][]string{"TestParallel/holds": {"1001 bytes", "at the same time: ", "blocks of all tags count"}},
		leak: map[string][]string{"TestParallel/leaks": {"1001 bytes", `tag "TestParallel/leaks"`}},
	},
	"parallel, by Allocator": {
		tests: []testing.InternalTest{{Name: "TestParallel", F: func(t *testing.T) {
			for _, name := range []string{"a", "b", "c"} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					a := z.NewAllocator(4096, name)
					ztest.Check(t, quick, ztest.Of(a))
					a.Allocate(100)
					time.Sleep(50 * time.Millisecond)
					if name != "b" {
						t.Cleanup(a.Release)
					}
				})
			}
		}}},
		want: map[string][]string{"TestParallel/b": {`"b": `, "not released"}},
	},
}

// runScenario does not return, where there is a scenario of that name.
func runScenario(name string) {
	if s, ok := scenarios[name]; ok {
		testing.Main(func(string, string) (bool, error) { return true, nil }, s.tests, nil, nil)
	}
}

var (
	current = regexp.MustCompile(`^=== (?:RUN|NAME|CONT) +(\S+)$`)
	verdict = regexp.MustCompile(`^ *--- [A-Z]+: (\S+) `)
)

// toldByTest is what each test is told, from the output of -test.v.
func toldByTest(out string) map[string]string {
	told, name := map[string]string{}, ""
	for _, line := range strings.Split(out, "\n") {
		if m := current.FindStringSubmatch(line); m != nil {
			name = m[1]
		} else if m := verdict.FindStringSubmatch(line); m != nil {
			name = ""
		} else if name != "" {
			told[name] += line + "\n"
		}
	}
	return told
}

// Each leak is reported by the one test whose it is, and by no other.
func TestCheck_InRealTests(t *testing.T) {
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.v", "-test.parallel=8")
			cmd.Env = append(os.Environ(), "ZTEST_CHILD="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Errorf("the process passed")
			}
			want := s.want
			if z.LeakTracking && s.leak != nil {
				want = s.leak
			}
			got := toldByTest(string(out))
			for test, texts := range want {
				for _, text := range texts {
					if strings.Count(got[test], text) != 1 {
						t.Errorf("%s: not told once %q", test, text)
					}
				}
			}
			for test, text := range got {
				if want[test] == nil && strings.Contains(text, "_test.go:") {
					t.Errorf("%s is told:\n%s", test, text)
				}
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}

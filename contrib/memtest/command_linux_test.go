package main

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These tests run memtest itself, built with the tags that the test was built with.

var memtest string // the program

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "memtest")
	if err == nil {
		memtest = filepath.Join(dir, "memtest")
		build := exec.Command("go", "build", "-tags", tags, "-o", memtest, ".")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		err = build.Run()
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "memtest cannot be built:", err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

var small = []string{"-hi", "64MiB", "-lo", "8MiB", "-max", "1MiB", "-cycles", "2", "-rest", "50ms"}

// result is what a command did.
type result struct {
	code           int
	stdout, stderr string
}

func start(t *testing.T, stdout, stderr io.Writer, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(memtest, args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

func execute(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := start(t, &stdout, &stderr, args...)
	_ = cmd.Wait()
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func with(args []string, more ...string) []string { return append(slices.Clone(args), more...) }

var (
	peakRow  = regexp.MustCompile(`(?m)^peak +64 +\d+`)
	lowRow   = regexp.MustCompile(`(?m)^low (\d) +[78] +\d+`)
	freedRow = regexp.MustCompile(`(?m)^all freed +0 +\d+`)
)

func (r result) wantTable(t *testing.T) {
	t.Helper()
	if !peakRow.MatchString(r.stdout) || !freedRow.MatchString(r.stdout) ||
		len(lowRow.FindAllString(r.stdout, -1)) != 2 {
		t.Errorf("no whole table in:\n%s", r.stdout)
	}
}

func TestMemtest_EachBackend(t *testing.T) {
	for _, name := range backends() {
		r := execute(t, with(small, "-backend", name)...)
		if r.code != 0 || r.stderr != "" {
			t.Errorf("%s: exit code %d, %s", name, r.code, r.stderr)
		}
		r.wantTable(t)
		for _, want := range []string{name + ", in MiB", name + " ", "peak 2", "retained"} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("%s: no %q in:\n%s", name, want, r.stdout)
			}
		}
	}
}

func TestMemtest_Environment(t *testing.T) {
	t.Setenv("ZMEM_BACKEND", "libc")
	if r := execute(t, with(small, "-quiet")...); r.code != 0 || !strings.HasPrefix(r.stdout, "libc,") {
		t.Errorf("exit code %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	t.Setenv("ZMEM_BACKEND", "nonsense")
	if r := execute(t, small...); r.code != 2 || !strings.Contains(r.stderr, "nonsense") {
		t.Errorf("exit code %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := execute(t, with(small, "-backend", "go")...); r.code != 0 {
		t.Errorf("exit code %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// svgTexts returns the texts of an SVG file.
func svgTexts(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
		All     string   `xml:",innerxml"`
	}
	if err := xml.Unmarshal(b, &doc); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(b) > 256<<10 {
		t.Errorf("%s has %d bytes", file, len(b))
	}
	return doc.All
}

// csvBackends returns the number of samples of each backend.
func csvBackends(t *testing.T, file string) map[string]int {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatalf("%s: %d rows, %v", file, len(rows), err)
	}
	counts := map[string]int{}
	for _, row := range rows[1:] {
		counts[row[0]]++
	}
	return counts
}

func TestMemtest_ChartAndCSV(t *testing.T) {
	svg, samples := filepath.Join(t.TempDir(), "a.svg"), filepath.Join(t.TempDir(), "a.csv")
	r := execute(t, with(small, "-backend", "libc", "-quiet", "-chart", svg, "-csv", samples)...)
	if r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	if text := svgTexts(t, svg); !strings.Contains(text, ">resident<") {
		t.Error("no legend")
	}
	if n := csvBackends(t, samples); n["libc"] < 10 || len(n) != 1 {
		t.Errorf("samples: %v", n)
	}
	picture := filepath.Join(t.TempDir(), "a.png")
	if r := execute(t, with(small, "-backend", "go", "-quiet", "-chart", picture)...); r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	f, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}
}

func TestMemtest_Compare(t *testing.T) {
	svg, samples := filepath.Join(t.TempDir(), "a.svg"), filepath.Join(t.TempDir(), "a.csv")
	r := execute(t, with(small, "-compare", "-chart", svg, "-csv", samples)...)
	if r.code != 0 || r.stderr != "" {
		t.Errorf("exit code %d, %s", r.code, r.stderr)
	}
	r.wantTable(t)
	text, counts := svgTexts(t, svg), csvBackends(t, samples)
	for _, name := range backends() {
		if !strings.Contains(text, ">on "+name+"<") && name != goBackend {
			t.Errorf("%s is not in the legend", name)
		}
		if counts[name] < 10 {
			t.Errorf("%d samples of %s", counts[name], name)
		}
	}
	if !strings.Contains(text, ">in use by the program<") || !strings.Contains(text, "heap<") {
		t.Error("the legend is not whole")
	}
}

func TestMemtest_BadFlags(t *testing.T) {
	dir := t.TempDir()
	tests := []struct{ args, want string }{
		{"-lo 2GiB -hi 1GiB", "-lo 2 GiB is not below -hi 1 GiB"},
		{"-backend nonsense", "this binary has: " + strings.Join(backends(), ", ")},
		{"-cycles -1", "-cycles -1"},
		{"-hi 1TB -lo 1XB", "not a size"},
		{"-chart " + dir + "/none/a.svg", "no such file or directory"},
		{"-chart " + dir, ".svg or .png"},
		{"-csv " + dir, "is a directory"},
		{"extra", "takes only flags"},
	}
	for _, tt := range tests {
		before := time.Now()
		r := execute(t, strings.Fields(tt.args)...)
		if r.code != 2 || !strings.Contains(r.stderr, tt.want) || r.stdout != "" {
			t.Errorf("%s: exit code %d, want %q in:\n%s%s", tt.args, r.code, tt.want, r.stdout, r.stderr)
		}
		if time.Since(before) > 20*time.Second {
			t.Errorf("%s: the error came only after the run", tt.args)
		}
	}
	if r := execute(t, "-help"); r.code != 0 {
		t.Errorf("-help: exit code %d", r.code)
	}
}

// untilLow is a writer that says when a run has come to its first low point.
type untilLow struct {
	text    bytes.Buffer
	reached chan struct{}
}

func newUntilLow() *untilLow { return &untilLow{reached: make(chan struct{})} }

func (u *untilLow) Write(b []byte) (int, error) {
	before := bytes.Contains(u.text.Bytes(), []byte("low 1"))
	u.text.Write(b)
	if !before && bytes.Contains(u.text.Bytes(), []byte("low 1")) {
		close(u.reached)
	}
	return len(b), nil
}

func (u *untilLow) wait(t *testing.T) {
	t.Helper()
	select {
	case <-u.reached:
	case <-time.After(time.Minute):
		t.Fatal("no low point within a minute")
	}
}

// String may be called when the process has ended.
func (u *untilLow) String() string { return u.text.String() }

// startLong starts a run that never ends by itself, and waits for its first low point.
func startLong(t *testing.T, args ...string) (cmd *exec.Cmd, stdout *untilLow, stderr *bytes.Buffer) {
	t.Helper()
	stdout, stderr = newUntilLow(), &bytes.Buffer{}
	cmd = start(t, stdout, stderr,
		with(args, "-hi", "64MiB", "-lo", "8MiB", "-cycles", "100000", "-rest", "10ms")...)
	stdout.wait(t)
	return cmd, stdout, stderr
}

func TestMemtest_Interrupt(t *testing.T) {
	tests := []struct {
		name  string
		args  []string
		sig   syscall.Signal
		group bool // as a terminal does: parent and child both get the signal
		code  int
	}{
		{"one", []string{"-backend", "libc"}, syscall.SIGINT, false, 130},
		{"terminate", []string{"-backend", "go"}, syscall.SIGTERM, false, 143},
		{"compare", []string{"-compare"}, syscall.SIGINT, false, 130},
		{"compare on a terminal", []string{"-compare"}, syscall.SIGINT, true, 130},
	}
	for _, tt := range tests {
		svg, samples := filepath.Join(t.TempDir(), "a.svg"), filepath.Join(t.TempDir(), "a.csv")
		cmd, stdout, stderr := startLong(t, with(tt.args, "-chart", svg, "-csv", samples)...)
		pid := cmd.Process.Pid
		if tt.group {
			pid = -pid
		}
		if err := syscall.Kill(pid, tt.sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != tt.code {
			t.Errorf("%s: exit code %d, want %d; it wrote:\n%s", tt.name, code, tt.code, stderr)
		}
		if !freedRow.MatchString(stdout.String()) || !lowRow.MatchString(stdout.String()) {
			t.Errorf("%s: no table, or not all was freed:\n%s", tt.name, stdout)
		}
		if !strings.Contains(svgTexts(t, svg), ">in use by the program<") {
			t.Errorf("%s: the chart is not whole", tt.name)
		}
		if len(csvBackends(t, samples)) != 1 {
			t.Errorf("%s: samples of %v", tt.name, csvBackends(t, samples))
		}
		if err := syscall.Kill(-cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s: a child is still there (%v)", tt.name, err)
		}
	}
}

// children returns the processes that pid started.
func children(t *testing.T, pid int) []int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no tasks of %d (%v)", pid, err)
	}
	var pids []int
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		for _, word := range strings.Fields(string(b)) {
			var child int
			if _, err := fmt.Sscan(word, &child); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

func TestMemtest_CompareSurvivesADeath(t *testing.T) {
	svg := filepath.Join(t.TempDir(), "a.svg")
	stdout, stderr := newUntilLow(), &bytes.Buffer{}
	cmd := start(t, stdout, stderr, "-compare", "-hi", "64MiB", "-lo", "8MiB", "-cycles", "3", "-rest",
		"500ms", "-chart", svg)
	stdout.wait(t)
	victims := children(t, cmd.Process.Pid)
	if len(victims) != 1 {
		t.Fatalf("children: %v", victims)
	}
	if err := syscall.Kill(victims[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(stderr.String(), "go: it was killed") {
		t.Errorf("no word of the death: %s", stderr)
	}
	text := svgTexts(t, svg)
	for _, want := range []string{"heap (died)<", ">on libc<", ">in use by the program<"} {
		if !strings.Contains(text, want) {
			t.Errorf("the chart does not say %q", want)
		}
	}
}

// A child whose parent is gone frees its memory and ends.
func TestMemtest_OrphanEnds(t *testing.T) {
	cmd, _, _ := startLong(t, "-compare")
	orphans := children(t, cmd.Process.Pid)
	if len(orphans) != 1 {
		t.Fatalf("children: %v", orphans)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", orphans[0]))
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	_ = syscall.Kill(orphans[0], syscall.SIGKILL)
	t.Error("the child still runs")
}

// On libc too, resident memory follows what is in use, without being asked to. (Under load it may take
// longer than a rest, so that it gets three tries.)
func TestMemtest_LibcGivesBack(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^(low 2|all freed) +\d+ +\d+ +(-?\d+)`)
	var r result
	for range 3 {
		r = execute(t, "-backend", "libc", "-hi", "256MiB", "-lo", "16MiB", "-cycles", "2", "-rest", "4s", "-quiet")
		found, little := rows.FindAllStringSubmatch(r.stdout, -1), 0
		for _, row := range found {
			var above int
			if _, err := fmt.Sscan(row[2], &above); err == nil && above < 64 {
				little++
			}
		}
		if r.code == 0 && len(found) == 2 && little == 2 {
			return
		}
	}
	t.Errorf("exit code %d, more than 64 MiB above the start:\n%s%s", r.code, r.stdout, r.stderr)
}

// memtestc, the twin in C, allocates the same blocks and prints the same table.
func TestMemtest_TwinInC(t *testing.T) {
	dir := t.TempDir()
	kinds := "libc"
	if tags == "jemalloc" {
		kinds = "jemalloc libc"
	}
	build := exec.Command("make", "-C", "../memtestc", "BACKENDS="+kinds, "O="+dir, "CORE_O="+dir+"/core")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	inUse := regexp.MustCompile(`(?m)^(start|peak|low \d|all freed) +\S+`)
	for _, name := range strings.Fields(kinds) {
		c := exec.Command(filepath.Join(dir, "memtestc"), "--backend", name, "--hi", "64MiB", "--lo", "8MiB",
			"--max", "1MiB", "--cycles", "2", "--rest", "50ms", "--quiet")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		want := inUse.FindAllString(execute(t, with(small, "-backend", name, "-quiet")...).stdout, -1)
		if got := inUse.FindAllString(string(out), -1); len(got) != 5 || !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// execute runs the command within the test, and returns what it printed and its exit code.
func execute(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	stderrFile, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderrFile.Close()
	var out bytes.Buffer
	code = command(context.Background(), args, &out, stderrFile)
	text, err := os.ReadFile(stderrFile.Name())
	if err != nil {
		t.Fatal(err)
	}
	if n := z.NumAllocBytes(); n != 0 {
		t.Errorf("%q left %d bytes", args, n)
	}
	return out.String(), string(text), code
}

var line = regexp.MustCompile(`(?m)^(fill|sort|check) +[\d.]+ +[\d,]+ +[\d,]+ +[\d,]+ +[\d,]+$`)

func TestSortdemo(t *testing.T) {
	for _, c := range []struct{ n, want string }{
		{"0", "in order: 0 records, checksum 0000000000000000\n"},
		{"1", "in order: 1 records, checksum "},
		{"65537", "in order: 65,537 records, checksum "},
		{"1000000", "in order: 1,000,000 records, checksum "},
	} {
		for _, size := range []string{"0", "1MiB", "1GiB"} {
			stdout, stderr, code := execute(t, "-n", c.n, "-cap", size, "-dir", t.TempDir(), "-quiet")
			if code != 0 || stderr != "" || !strings.Contains(stdout, c.want) ||
				len(line.FindAllString(stdout, -1)) != 3 || strings.Count(stdout, "\n") != 5 {
				t.Errorf("-n %s -cap %s: code %d\n%s%s", c.n, size, code, stdout, stderr)
			}
		}
	}
}

// One seed gives the same records, wherever they are, and another gives others.
func TestSortdemo_Seed(t *testing.T) {
	sum := func(args ...string) string {
		stdout, _, _ := execute(t, append(args, "-n", "100000", "-quiet")...)
		return stdout[strings.LastIndex(stdout, " "):]
	}
	if a, b, c := sum(), sum("-cap", "64KiB"), sum("-seed", "2"); a != b || a == c {
		t.Errorf("checksums are %s, %s and with another seed %s", a, b, c)
	}
}

func TestSortdemo_Says(t *testing.T) {
	stdout, _, _ := execute(t, "-n", "1000", "-dir", "/x", "-seed", "7")
	const want = "1,000 records of 8 bytes, 16 KiB with their lengths, in /x beyond 1 GiB; seed 7\n"
	if !strings.HasPrefix(stdout, want) {
		t.Errorf("it prints:\n%s", stdout)
	}
}

func TestSortdemo_NoFolder(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	stdout, stderr, code := execute(t, "-n", "100000", "-cap", "1MiB", "-dir", none, "-quiet")
	if code != 1 || !strings.Contains(stderr, none) || !strings.Contains(stderr, "no such file") ||
		strings.Contains(stdout, "in order") {
		t.Errorf("code %d\n%s%s", code, stdout, stderr)
	}
}

func TestSortdemo_Flags(t *testing.T) {
	for _, args := range []string{"-n -1", "-n 9223372036854775807", "-cap x", "-x", "x", "-seed -1"} {
		if stdout, stderr, code := execute(t, strings.Fields(args)...); code != 2 || stderr == "" || stdout != "" {
			t.Errorf("%s: code %d\n%s%s", args, code, stdout, stderr)
		}
	}
	if _, stderr, code := execute(t, "-help"); code != 0 || !strings.Contains(stderr, "usage: sortdemo") {
		t.Errorf("-help: code %d\n%s", code, stderr)
	}
}

// What check is for.
func TestCheck_FindsWhatIsWrong(t *testing.T) {
	keys := []uint64{3, 5, 5, 9}
	var sum uint64
	for _, k := range keys {
		sum = addKey(sum, k)
	}
	for _, c := range []struct {
		keys []uint64
		want string // of the error; "" for none
	}{
		{keys, ""},
		{[]uint64{3, 5, 9, 5}, "record 3 has key 5, the one before it 9"},
		{[]uint64{3, 5, 9}, "there are 3 records"},
		{[]uint64{3, 5, 5, 9, 9}, "there are 5 records"},
		{[]uint64{3, 4, 6, 9}, "there are 4 records"}, // the same sum of keys
	} {
		b := newBuffer(0, "")
		for _, k := range c.keys {
			putKey(b, k)
		}
		err := checkBuffer(context.Background(), b, len(keys), sum, new(counter))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.keys, err, c.want)
		}
		if err := b.Release(); err != nil {
			t.Error(err)
		}
	}
}

// sortdemoc, the twin in C, sorts the same records.
func TestSortdemo_TwinInC(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("make", "-C", "../sortdemoc", "BACKENDS=libc", "O="+dir, "CORE_O="+dir+"/core")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, size := range []string{"0", "1MiB", "1GiB"} {
		args := []string{"-n", "200001", "-cap", size, "-dir", dir, "-seed", "3", "-quiet"}
		want, _, _ := execute(t, args...)
		for i, a := range args {
			if strings.HasPrefix(a, "-") {
				args[i] = "-" + a
			}
		}
		out, err := exec.Command(filepath.Join(dir, "sortdemoc"), args...).CombinedOutput()
		got := string(out)
		if err != nil || len(line.FindAllString(got, -1)) != 3 ||
			got[strings.LastIndex(got, "in order"):] != want[strings.LastIndex(want, "in order"):] {
			t.Errorf("-cap %s: %v\n%swant:\n%s", size, err, got, want)
		}
	}
	out, err := exec.Command(filepath.Join(dir, "sortdemoc"), "--cap", "1MiB", "--dir", dir+"/none").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "No such file") {
		t.Errorf("no folder: %v\n%s", err, out)
	}
}

// Ctrl-C ends a run in any of its steps, with what was done so far.
func TestSortdemo_Interrupted(t *testing.T) {
	for i, name := range stepNames {
		b := newBuffer(0, "")
		ctx, cancel := context.WithCancel(context.Background())
		sum, err := fillBuffer(ctx, b, options{n: 3 * batch, seed: 1}, new(counter))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		err = []func() error{
			func() error { _, err := fillBuffer(ctx, b, options{n: batch}, new(counter)); return err },
			func() error { return b.sort(ctx, nil) },
			func() error {
				if err := b.sort(context.Background(), nil); err != nil {
					return err
				}
				return checkBuffer(ctx, b, 3*batch, sum, new(counter))
			},
		}[i]()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if err := b.Release(); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out bytes.Buffer
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	code := command(ctx, []string{"-n", "1000000", "-quiet"}, &out, f)
	text, err := os.ReadFile(f.Name())
	if code != 130 || string(text) != "sortdemo: interrupted\n" || err != nil || strings.Contains(out.String(), "in order") {
		t.Errorf("code %d, %q, %v\n%s", code, text, err, &out)
	}
}

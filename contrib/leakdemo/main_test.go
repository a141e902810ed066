package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// The reports name the three places, with what each has leaked: of three rounds, two indexes, two
// times a hundred entries, three times five buffers.
func TestLeakdemo(t *testing.T) {
	for _, c := range []struct {
		tags, env string
		args      []string
		want      []string
		wantNot   string
	}{
		{"", "ZMEM_LEAKS=", nil, []string{
			`^round 1: 1072256 bytes in 106 blocks\n`,
			`\nround 3: 3216768 bytes in 318 blocks\n$`,
		}, "LEAK"},
		{"", "ZMEM_LEAKS=1", nil, []string{
			`\nz: 2164992 bytes of manual memory are live \(blocks: 217\)\n`, `-tags leak`,
		}, "LEAK:"},
		{"leak", "ZMEM_LEAKS=1", nil, []string{
			`\nLEAK: 2097152 at func: main\.\(\*store\)\.reload main\.go:\d+ \(2 blocks, tag "index"\)\n    main\.main `,
			`\nLEAK: 61440 at func: main\.\(\*store\)\.parse main\.go:\d+ \(15 blocks\)\n    main\.main `,
			`\nLEAK: 6400 at func: main\.newEntry main\.go:\d+ \(200 blocks, tag "entry"\)\n    main\.\(\*store\)\.put `,
		}, "GO POINTER"},
		{"leak", "ZMEM_LEAKS=", []string{"-pointers"}, []string{
			`\nGO POINTER: 0x[0-9a-f]+ at offset 8 of 32 bytes at func: main\.newEntry main\.go:\d+ \(300 blocks, tag "entry"\)\n`,
		}, "LEAK"},
	} {
		t.Run(c.tags+" "+c.env, func(t *testing.T) {
			bin := filepath.Join(t.TempDir(), "leakdemo")
			if out, err := exec.Command("go", "build", "-tags", c.tags, "-o", bin, ".").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			cmd := exec.Command(bin, c.args...)
			cmd.Env = append(cmd.Environ(), c.env)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range c.want {
				if !regexp.MustCompile(want).Match(out) {
					t.Errorf("no match of %q in:\n%s", want, out)
				}
			}
			if regexp.MustCompile(c.wantNot).Match(out) {
				t.Errorf("%q in:\n%s", c.wantNot, out)
			}
		})
	}
}

// With every block sampled, the profile names the three places with just what each has leaked.
func TestLeakdemo_Profile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "leaks.pb.gz")
	if out, err := exec.Command("go", "run", ".", "-rate", "1", "-profile", file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command("go", "tool", "pprof", "-top", "-nodefraction=0", "-unit=B", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		`(?m)^ +2097152B .* main\.\(\*store\)\.reload$`,
		`(?m)^ +61440B .* main\.\(\*store\)\.parse$`,
		`(?m)^ +6400B .* main\.newEntry$`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no match of %q in:\n%s", want, out)
		}
	}
}

// The guards' reports name the lines that did it.
func TestLeakdemo_Mistakes(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "leakdemo")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for mistake, want := range map[string]string{
		"overflow": `^zmem: fault at 0x[0-9a-f]+: 1 byte past the end of a block of 64 bytes at 0x[0-9a-f]+\n` +
			`allocated as "packet" by:\n    main\.overflow mistakes\.go:\d+\n`,
		"use-after-free": `^zmem: fault at 0x[0-9a-f]+: 7 bytes into a freed block of 64 bytes at 0x[0-9a-f]+\n` +
			`allocated as "packet" by:\n    main\.useAfterFree mistakes\.go:\d+\n(    .*\n)+` +
			`freed by:\n    main\.done mistakes\.go:\d+\n    main\.useAfterFree mistakes\.go:\d+\n`,
		"other": `(?m)^Usage of `,
	} {
		out, err := exec.Command(bin, "-mistake", mistake).CombinedOutput()
		if err == nil || !regexp.MustCompile(want).Match(out) {
			t.Errorf("%s: %v, and no match of %q in:\n%s", mistake, err, want, out)
		}
	}
}

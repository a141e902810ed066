package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each build says where its nodes were, that manual memory is back to nothing, and what the Go heap
// held: 31 MiB of nodes, or less than one of anything.
func TestDemo_Builds(t *testing.T) {
	for _, c := range []struct {
		tags string
		env  string
		want []string
	}{
		{"", "", []string{
			`^Nodes on: the Go heap\n`,
			`\nAllocated memory: 0 B Objects: 0\n`,
			`\nHeapAlloc: 3[01] MiB\n`,
		}},
		{"jemalloc", "", []string{
			`^Nodes on: manual memory, one Calloc each\n`,
			`\nAllocated memory: 31 MiB Objects: 2000001\n`,
			`\nHeapAlloc: \d+ KiB\n`,
		}},
		{"jemalloc", "ZMEM_BACKEND=libc", []string{
			`\nAllocated memory: 31 MiB Objects: 2000001\n`,
			`\nHeapAlloc: \d+ KiB\n`,
		}},
		{"jemalloc allocator", "", []string{
			`^Nodes on: manual memory, on an Allocator\n`,
			`\nAllocated memory: (3[1-9]|[4-6]\d) MiB Objects: \d\n`,
			`\nHeapAlloc: \d+ KiB\n`,
		}},
		{"jemalloc allocator leak", "ZMEM_BACKEND=libc", []string{
			`\nAllocated memory: (3[1-9]|[4-6]\d) MiB Objects: \d\n`,
			`\nHeapAlloc: \d+ KiB\n`,
		}},
		{"jemalloc leak", "", []string{
			`\nAllocated memory: 31 MiB Objects: 2000001\n`,
			`\nHeapAlloc: \d+ KiB\n`,
		}},
	} {
		name := strings.TrimSpace(c.tags + " " + c.env)
		t.Run(name, func(t *testing.T) {
			bin := filepath.Join(t.TempDir(), "demo")
			if out, err := exec.Command("go", "build", "-tags", c.tags, "-o", bin, ".").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			run := func(args ...string) string {
				cmd := exec.Command(bin, args...)
				if c.env != "" {
					cmd.Env = append(cmd.Environ(), c.env)
				}
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
				return string(out)
			}
			out := run()
			for _, want := range append(c.want, `\nNodes: 2000001\n`,
				`\nAfter freeing\. Allocated memory: 0 B Objects: 0\n$`) {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("no match of %q in:\n%s", want, out)
				}
			}
			if out := run("-quiet", "-n", "1000"); out != "" {
				t.Errorf("-quiet prints %q", out)
			}
			if out := run("-n", "0"); !strings.Contains(out, "Nodes: 0\n") {
				t.Errorf("-n 0 prints:\n%s", out)
			}
			if err := exec.Command(bin, "-n", "-1").Run(); err == nil {
				t.Error("-n -1 is accepted")
			}
		})
	}
}

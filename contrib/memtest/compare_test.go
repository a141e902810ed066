package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script writes a shell script that stands for a child; $1 and so on are its flags.
func script(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "child")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRunProcess(t *testing.T) {
	const (
		first = `echo '{"Sample":{"Seconds":1,"Phase":2,"InUse":3,"Resident":4,"Done":5}}' >&3` + "\n"
		last  = `echo '{"End":{"Left":0,"Seconds":2}}' >&3` + "\n"
	)
	tests := []struct {
		name, script string
		problem      string // parts of it, separated by |; "" for none
		samples      int
	}{
		{"all well", first + first + last, "", 2},
		{"noise", "echo out; echo err >&2; " + first + last, "", 1},
		{"killed", first + "kill -KILL $$\n", "killed|memory ran out", 1},
		{"killed within a line", first + "printf '{\"Sample\":{\"Sec' >&3; kill -KILL $$\n", "killed", 1},
		{"crashed", first + "echo 'panic: at the disco' >&2; exit 2\n",
			"exit status 2|panic: at the disco", 1},
		{"crashed with a long story", "head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 2\n",
			"exit status 2|xxx", 0},
		{"silent", "exit 0\n", "without a report", 0},
		{"not JSON", "echo hello >&3\n", "without a report", 0},
		{"bytes left", strings.Replace(last, ":0", ":7", 1), "7 B are left", 0},
		{"gets the flags", `[ "$1 $8" = "-hi=67108864 -backend=libc" ] && ` + last, "", 0},
		{"knows it is a child", `[ "$` + childVar + `" = 1 ] && ` + last, "", 0},
	}
	for _, tt := range tests {
		r := &run{Backend: "libc"}
		if err := runProcess(context.Background(), script(t, tt.script), someplan, r, r.add); err != nil {
			r.Died = err.Error()
		}
		problem := r.problem()
		if (problem == "") != (tt.problem == "") {
			t.Errorf("%s: problem %q", tt.name, problem)
		}
		for _, part := range strings.Split(tt.problem, "|") {
			if !strings.Contains(problem, part) {
				t.Errorf("%s: problem %.200q does not say %q", tt.name, problem, part)
			}
		}
		if len(r.Samples) != tt.samples {
			t.Errorf("%s: %d samples, want %d", tt.name, len(r.Samples), tt.samples)
		}
		if len(problem) > 5<<10 {
			t.Errorf("%s: a problem of %d bytes", tt.name, len(problem))
		}
	}
}

func TestRunProcess_PassesAnInterruptOn(t *testing.T) {
	child := script(t, `trap 'echo "{\"End\":{\"Interrupted\":true}}" >&3; exit 0' INT
echo '{"Sample":{}}' >&3
while :; do sleep 0.01; done
`)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r := &run{Backend: "libc"}
	err := runProcess(ctx, child, someplan, r, func(e event) {
		r.add(e)
		cancel() // at the first event
	})
	if err != nil || r.End == nil || !r.End.Interrupted {
		t.Errorf("%v, end %+v", err, r.End)
	}
}

func TestRunProcess_NoSuchProgram(t *testing.T) {
	r := &run{Backend: "libc"}
	missing := filepath.Join(t.TempDir(), "missing")
	if err := runProcess(context.Background(), missing, someplan, r, r.add); err == nil {
		t.Error("ran a program that is not there")
	}
}

package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmem-go/zmem/contrib/internal/size"
)

const (
	mib = int64(size.MiB)
	gib = int64(size.GiB)
)

// machineOf is a machine with so much memory available, and with both manual backends.
func machineOf(available int64) machine {
	return machine{
		choose:    func(string) []string { return []string{"go", "libc", "jemalloc"} },
		available: func() (int64, error) { return available, nil },
	}
}

func TestParseOptions(t *testing.T) {
	m := machineOf(24 * gib)
	tests := []struct {
		args string
		m    machine
		want plan
	}{
		{"", m, plan{hi: 12 * gib, lo: 768 * mib, max: 32 * mib, cycles: 6, seed: 1}},
		{"", machineOf(64 * gib), plan{hi: 16 * gib, lo: gib, max: 32 * mib, cycles: 6, seed: 1}},
		{"", machineOf(23 * gib), plan{hi: 11 * gib / 11 * 10, lo: 640 * mib, max: 32 * mib, cycles: 6,
			seed: 1}},
		{"-hi 2GiB", m, plan{hi: 2 * gib, lo: 128 * mib, max: 16 * mib, cycles: 6, seed: 1}},
		{"-lo 1GiB", m, plan{hi: 12 * gib, lo: gib, max: 32 * mib, cycles: 6, seed: 1}},
		{"-hi 8GiB -lo 512MiB -max 1MiB -cycles 11 -seed 7", m,
			plan{hi: 8 * gib, lo: 512 * mib, max: mib, cycles: 11, seed: 7}},
		{"-hi 1000 -lo 10", m, plan{hi: 1000, lo: 10, max: 1, cycles: 6, seed: 1}},
		{"-return -hi 64MiB -rest 2s", m,
			plan{hi: 64 * mib, lo: 4 * mib, max: mib / 2, cycles: 6, seed: 1, giveBack: true}},
	}
	for _, tt := range tests {
		o, err := parseOptions(strings.Fields(tt.args), tt.m, io.Discard)
		tt.want.rest = defaultRest
		if err != nil || o.plan != tt.want {
			t.Errorf("%q: %+v, %v; want %+v", tt.args, o.plan, err, tt.want)
		}
	}
}

func TestParseOptions_Backend(t *testing.T) {
	tests := []struct {
		args, env      string
		chosen, picked string // what zmem is told, and what the options settle on
	}{
		{"", "", "", "jemalloc"},
		{"", "libc", "libc", "libc"},
		{"-backend libc", "", "libc", "libc"},
		{"-backend libc", "nonsense", "libc", "libc"},
		{"-backend go", "nonsense", "", "go"},
		{"-compare", "nonsense", "", ""},
	}
	for _, tt := range tests {
		m := machineOf(gib)
		choose := m.choose
		told := "never"
		m.envBackend = tt.env
		m.choose = func(name string) []string { told = name; return choose(name) }
		o, err := parseOptions(strings.Fields(tt.args), m, io.Discard)
		if err != nil || o.backend != tt.picked || told != tt.chosen {
			t.Errorf("%q with ZMEM_BACKEND=%q: %q, %v, zmem told %q; want %q, zmem told %q", tt.args,
				tt.env, o.backend, err, told, tt.picked, tt.chosen)
		}
	}
}

func TestParseOptions_Errors(t *testing.T) {
	blind := machineOf(0)
	blind.available = func() (int64, error) { return 0, errors.New("no meminfo") }
	noJemalloc := machineOf(gib)
	noJemalloc.choose = func(string) []string { return []string{"go", "libc"} }
	envGo := machineOf(gib)
	envGo.envBackend = "go"
	envBad := machineOf(gib)
	envBad.envBackend = "tcmalloc"
	m := machineOf(24 * gib)
	tests := []struct {
		args string
		m    machine
		want string // part of the message
	}{
		{"-lo 2GiB -hi 1GiB", m, "-lo 2 GiB is not below -hi 1 GiB"},
		{"-lo 1GiB -hi 1GiB", m, "-lo 1 GiB is not below -hi 1 GiB"},
		{"-lo 100GiB", m, "-lo 100 GiB is not below 12 GiB, the default of -hi"},
		{"-lo 0", m, "-lo 0 B: it has to be above 0"},
		{"-hi 0", m, "-lo 0 B: it has to be above 0"},
		{"-hi -1", m, "not a size"},
		{"-hi much", m, "not a size"},
		{"-hi 99999999999999999999", m, "not a size"},
		{"-hi 7EiB", m, "more than can be counted"},
		{"-max 0", m, "-max 0 B: a block has at least 1 byte"},
		{"-hi 64MiB -max 32MiB", m, "-lo 4 MiB has to hold at least 4 such blocks"},
		{"-cycles 0", m, "-cycles 0: it takes 1"},
		{"-cycles -3", m, "-cycles -3: it takes 1"},
		{"-cycles many", m, "invalid value"},
		{"-seed -1", m, "invalid value"},
		{"-rest -1s", m, "-rest -1s"},
		{"-rest 1", m, "invalid value"},
		{"-backend tcmalloc", m, "-backend tcmalloc: this binary has: go, libc, jemalloc"},
		{"-backend=", m, "this binary has"},
		{"-backend jemalloc", noJemalloc, "-tags jemalloc"},
		{"", envBad, "ZMEM_BACKEND=tcmalloc: this binary has: go, libc, jemalloc"},
		{"", envGo, "ZMEM_BACKEND=go: this binary has"},
		{"-compare -backend libc", m, "leave out -backend"},
		{"-chart picture.pdf", m, ".svg or .png"},
		{"-chart a.svg -csv a.svg", m, "same file"},
		{"8GiB", m, "takes only flags"},
		{"-nonsense", m, "not defined"},
		{"", blind, "give -hi"},
		{"", machineOf(0), "it has to be above 0"},
	}
	for _, tt := range tests {
		o, err := parseOptions(strings.Fields(tt.args), tt.m, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %+v, %v; want an error with %q", tt.args, o, err, tt.want)
		}
	}
}

func TestParseOptions_HelpAndWarning(t *testing.T) {
	var out bytes.Buffer
	if _, err := parseOptions([]string{"-help"}, machineOf(gib), &out); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-help: %v", err)
	}
	for _, name := range []string{"-backend", "-chart", "-compare", "-csv", "-cycles", "-hi", "-lo",
		"-max", "-quiet", "-rest", "-return", "-seed"} {
		if !strings.Contains(out.String(), "  "+name) {
			t.Errorf("-help does not tell of %s", name)
		}
	}
	out.Reset()
	if _, err := parseOptions([]string{"-hi", "2GiB"}, machineOf(gib), &out); err != nil ||
		!strings.Contains(out.String(), "-hi 2 GiB is more than the 1 GiB") {
		t.Errorf("more than there is: %v, %q", err, &out)
	}
}

func TestPlan_ArgsSayThePlan(t *testing.T) {
	want := plan{hi: 123456789, lo: 1234567, max: 4321, cycles: 3, seed: 1 << 63,
		rest: 1500 * time.Millisecond, giveBack: true}
	o, err := parseOptions(want.args(), machineOf(gib), io.Discard)
	if err != nil || o.plan != want {
		t.Errorf("%q gave %+v, %v; want %+v", want.args(), o.plan, err, want)
	}
}

func TestRoundDown(t *testing.T) {
	tests := []struct{ n, want size.Bytes }{
		{0, 0}, {1, 1}, {7, 7}, {8, 8}, {9, 8}, {11, 10}, {15, 14}, {16, 16}, {19, 16},
		{12*size.GiB + 5, 12 * size.GiB}, {11 * size.GiB, 10 * size.GiB},
		{16 * size.GiB, 16 * size.GiB}, {1<<63 - 1, 7 << 60},
	}
	for _, tt := range tests {
		if got := roundDown(tt.n); got != tt.want {
			t.Errorf("roundDown(%d) = %d, want %d", tt.n, got, tt.want)
		}
	}
}

func TestBackends_DefaultLast(t *testing.T) {
	want := map[string][]string{
		"":         {"go", "libc"},
		"jemalloc": {"go", "libc", "jemalloc"},
	}[tags]
	if got := backends(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

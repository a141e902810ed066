package size

import (
	"flag"
	"io"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		in   string
		want Bytes // -1: an error
	}{
		{"0", 0},
		{"4096", 4096},
		{"1B", 1},
		{"512MiB", 512 * MiB},
		{"512 MiB", 512 * MiB},
		{"512mib", 512 * MiB},
		{"1.5GiB", 3 * GiB / 2},
		{"64kB", 64000},
		{"16GiB", 16 * GiB},
		{"", -1},
		{" ", -1},
		{"MiB", -1},
		{"-1", -1},
		{"-1MiB", -1},
		{"12 parsecs", -1},
		{"1e3", -1},
		{"0x10", -1},
		{"9223372036854775808", -1},
		{"15EiB", -1},
		{"99999999999999999999999", -1},
		{"NaN", -1},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if (err != nil) != (tt.want < 0) || err == nil && got != tt.want {
			t.Errorf("Parse(%q) = %d, %v; want %d", tt.in, got, err, tt.want)
		}
	}
}

func TestBytes_Flag(t *testing.T) {
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var b Bytes
	fs.Var(&b, "hi", "")
	if err := fs.Parse([]string{"-hi", "2GiB"}); err != nil || b != 2*GiB {
		t.Errorf("-hi 2GiB gave %d, %v", b, err)
	}
	if err := fs.Parse([]string{"-hi", "much"}); err == nil || b != 2*GiB {
		t.Errorf("-hi much gave %d, %v; want an error and the old value", b, err)
	}
}

func TestBytes_String(t *testing.T) {
	tests := []struct {
		b           Bytes
		text, inMiB string
	}{
		{0, "0 B", "0"},
		{1000, "1000 B", "0"},
		{512 * MiB, "512 MiB", "512"},
		{8 * GiB, "8 GiB", "8,192"},
		{3 * GiB / 2, "1.5 GiB", "1,536"},
		{10 * GiB, "10 GiB", "10,240"},
		{-24, "-24 B", "0"},
		{-3 * MiB, "-3 MiB", "-3"},
	}
	for _, tt := range tests {
		if got := tt.b.String(); got != tt.text {
			t.Errorf("Bytes(%d).String() = %q, want %q", int64(tt.b), got, tt.text)
		}
		if got := tt.b.InMiB(); got != tt.inMiB {
			t.Errorf("Bytes(%d).InMiB() = %q, want %q", int64(tt.b), got, tt.inMiB)
		}
	}
}

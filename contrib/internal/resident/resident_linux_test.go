package resident

import "testing"

func TestBytes_SeesWhatIsWritten(t *testing.T) {
	const n = 64 << 20
	before, err := Bytes()
	if err != nil || before <= 0 {
		t.Fatalf("Bytes() = %d, %v", before, err)
	}
	b := make([]byte, n)
	for i := 0; i < len(b); i += 512 {
		b[i] = 1
	}
	after, err := Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if grown := after - before; grown < n*9/10 || grown > n*2 {
		t.Errorf("%d bytes written, resident memory grew by %d", n, grown)
	}
	if b[0] != 1 {
		t.Error("the block is gone")
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		in   string
		want int64 // -1: an error
	}{
		{"1000 25 3 4 0 5 0\n", 25 * 4096},
		{"1 0", 0},
		{"", -1},
		{"1", -1},
		{"1 x", -1},
		{"1 -2", -1},
	}
	for _, tt := range tests {
		got, err := parse([]byte(tt.in), 4096)
		if (err != nil) != (tt.want < 0) || err == nil && got != tt.want {
			t.Errorf("parse(%q) = %d, %v; want %d", tt.in, got, err, tt.want)
		}
	}
}

package resident

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

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

func TestSplit_TellsFilesApart(t *testing.T) {
	const n = 16 << 20
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(n); err != nil {
		t.Fatal(err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(b)
	_, before, err := Split()
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < n; i += 512 {
		b[i] = 1
	}
	all, files, err := Split()
	if err != nil {
		t.Fatal(err)
	}
	if grown := files - before; grown < n*9/10 || grown > n*2 || files > all {
		t.Errorf("%d bytes of a file written: the files' part grew by %d to %d of %d", n, grown, files, all)
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		in         string
		all, files int64 // all -1: an error
	}{
		{"1000 25 3 4 0 5 0\n", 25 * 4096, 3 * 4096},
		{"1 0 0", 0, 0},
		{"", -1, 0},
		{"1", -1, 0},
		{"1 2", -1, 0},
		{"1 x 0", -1, 0},
		{"1 -2 0", -1, 0},
		{"1 2 x", -1, 0},
		{"1 2 -1", -1, 0},
	}
	for _, tt := range tests {
		all, files, err := parse([]byte(tt.in), 4096)
		if (err != nil) != (tt.all < 0) || err == nil && (all != tt.all || files != tt.files) {
			t.Errorf("parse(%q) = %d, %d, %v; want %d, %d", tt.in, all, files, err, tt.all, tt.files)
		}
	}
}

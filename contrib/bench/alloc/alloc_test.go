package alloc

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// Whoever does less than the others wins: each must hand out blocks that are zero, whole and apart.
func TestImplementations(t *testing.T) {
	for _, im := range implementations {
		for _, s := range []setting{{goroutines: 1}, {goroutines: 2}} {
			for _, s.size = range []int{0, 16, 32, 256, 4096, 65536} {
				s.live = 64
				if s.size > 4096 {
					s.live = 8
				}
				x, err := im.bodies(s)
				if err != nil {
					t.Logf("%s: %+v: %v", im.name, s, err)
					continue
				}
				sizes := []int{s.size}
				if s.size == 0 {
					sizes = []int{1, 2, 17, 100, 1000, 5000, 100_000}
				}
				for _, size := range sizes {
					if err := x.check(size, s.live); err != nil {
						t.Errorf("%s: %+v: %v", im.name, s, err)
					}
				}
				x.close()
			}
		}
	}
}

func TestBodiesAreGenerated(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "run", "generate.go", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob("body_*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	fresh, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(fresh) != len(files) {
		t.Errorf("%d files are here and %d are generated", len(files), len(fresh))
	}
	for _, name := range files {
		got, _ := os.ReadFile(name)
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: run go generate in this folder (%v)", name, err)
		}
	}
}

func TestEtcSizes(t *testing.T) {
	sizes := slices.Sorted(slices.Values(etcSizes()))
	sum := 0
	for _, n := range sizes {
		sum += int(n)
	}
	at := func(part float64) uint32 { return sizes[int(part*float64(len(sizes)))] }
	t.Logf("mean %d, min %d, median %d, 90%% %d, 99%% %d, max %d", sum/len(sizes), sizes[0], at(0.5),
		at(0.9), at(0.99), sizes[len(sizes)-1])
	// The paper: 40% of values have up to 11 bytes, and most keys have 20 to 40.
	if keyBytes(0.5) != 34 || valueBytes(0.3) > 11 || valueBytes(0.45) < 15 || valueBytes(0.9) < 300 {
		t.Errorf("key %d, values %d, %d, %d", keyBytes(0.5), valueBytes(0.3), valueBytes(0.45), valueBytes(0.9))
	}
	if sizes[0] < 1 || sizes[len(sizes)-1] > maxKey+maxValue {
		t.Errorf("sizes from %d to %d", sizes[0], sizes[len(sizes)-1])
	}
}

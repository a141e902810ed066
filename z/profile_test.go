package z_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/google/pprof/profile"

	"github.com/zmem-go/zmem/z"
)

// amounts are the values of a sample.
type amounts struct{ allocObjects, allocBytes, liveObjects, liveBytes int64 }

func (a amounts) minus(b amounts) amounts {
	return amounts{a.allocObjects - b.allocObjects, a.allocBytes - b.allocBytes,
		a.liveObjects - b.liveObjects, a.liveBytes - b.liveBytes}
}

func readProfile(t *testing.T) *profile.Profile {
	t.Helper()
	var buf bytes.Buffer
	if err := z.WriteHeapProfile(&buf); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return p
}

// allocatedBy sums up what a function of this package allocated with a tag, it itself being where
// stacks begin.
func allocatedBy(p *profile.Profile, name, tag string) (sum amounts) {
	for _, s := range p.Sample {
		leaf := s.Location[0].Line[0].Function.Name
		if strings.TrimPrefix(leaf, "github.com/zmem-go/zmem/z_test.") != name || strings.Join(s.Label["tag"], "") != tag {
			continue
		}
		sum = amounts{sum.allocObjects + s.Value[0], sum.allocBytes + s.Value[1],
			sum.liveObjects + s.Value[2], sum.liveBytes + s.Value[3]}
	}
	return sum
}

// since is allocatedBy without what it had been before.
func since(t *testing.T, name, tag string) func() amounts {
	t.Helper()
	before := allocatedBy(readProfile(t), name, tag)
	return func() amounts {
		t.Helper()
		return allocatedBy(readProfile(t), name, tag).minus(before)
	}
}

func setRate(t *testing.T, rate int) {
	old := z.SetProfileRate(rate)
	t.Cleanup(func() { z.SetProfileRate(old) })
}

func within(got, want int64, part float64) bool {
	return math.Abs(float64(got-want)) <= part*float64(want)
}

// The sites of the tests, one function each.

//go:noinline
func siteA(n int) []byte { return z.Calloc(n) }

//go:noinline
func siteB(n int) []byte { return z.Calloc(n, "b") }

//go:noinline
func siteTwoTags(n int, tag string) []byte { return z.Calloc(n, tag) }

//go:noinline
func siteTry(n int) []byte {
	b, _ := z.TryCalloc(n, "try")
	return b
}

//go:noinline
func siteAligned(n int) []byte { return z.CallocAligned(n, 256, "aligned") }

//go:noinline
func siteSizes(n int, tag string) []byte { return z.Calloc(n, tag) }

func TestProfile_IsNearTheTruth(t *testing.T) {
	const rate, deviation = 16 << 10, 0.025 // so many blocks that 15 % are six standard deviations
	setRate(t, rate)
	start := liveNow()
	type work struct {
		n, count int
		blocks   [][]byte
		since    func() amounts
	}
	var works []*work
	for _, n := range []int{16, 100, 1000, 4096, 20000, 65536, 65537, 200_000, 1 << 20} {
		probability := -math.Expm1(-float64(n) / rate)
		_, fraction := math.Modf(1 / probability) // by which weights are rounded
		variance := (1-probability)/probability + probability*fraction*(1-fraction)
		count := max(20, int(variance/(deviation*deviation)))
		works = append(works, &work{n: n, count: count, since: since(t, "siteSizes", fmt.Sprint(n))})
	}
	var wg sync.WaitGroup
	for _, w := range works {
		wg.Add(1)
		go func() {
			defer wg.Done()
			tag := fmt.Sprint(w.n)
			w.blocks = make([][]byte, w.count)
			for i := range w.blocks {
				w.blocks[i] = siteSizes(w.n, tag)
			}
		}()
	}
	wg.Wait()
	check := func(w *work, live int) {
		t.Helper()
		got, bytes, liveBytes := w.since(), int64(w.n)*int64(w.count), int64(w.n)*int64(live)
		if !within(got.allocBytes, bytes, 0.15) || !within(got.liveBytes, liveBytes, 0.15) ||
			!within(got.allocObjects, int64(w.count), 0.15) || !within(got.liveObjects, int64(live), 0.15) {
			t.Errorf("%d blocks of %d bytes, %d of them live: %+v", w.count, w.n, live, got)
		}
	}
	for i, w := range works {
		check(w, w.count)
		wg.Add(1)
		go func() { // not where they were allocated
			defer wg.Done()
			for _, b := range w.blocks {
				z.Free(b)
			}
		}()
		if i%2 == 0 {
			wg.Wait()
			check(w, 0)
		}
	}
	wg.Wait()
	for _, w := range works {
		check(w, 0)
	}
	wantLive(t, start)
}

// Large blocks are sampled one by one, as chance decides.
func TestProfile_LargeBlocks(t *testing.T) {
	const n, count = 1 << 20, 1500
	setRate(t, n) // 63 % of them; a standard deviation of 2.2 %
	got := since(t, "siteA", "")
	for range count {
		z.Free(siteA(n))
	}
	if a := got(); !within(a.allocBytes, n*count, 0.15) || !within(a.allocObjects, count, 0.15) || a.liveBytes != 0 {
		t.Errorf("%d blocks of %d bytes: %+v", count, n, a)
	}
}

// At rate 1 the profile is exact, whichever function allocates.
func TestProfile_Rate1IsExact(t *testing.T) {
	setRate(t, 1)
	if rate := z.ProfileRate(); rate != 1 {
		t.Fatalf("the rate is %d", rate)
	}
	start := liveNow()
	for name, site := range map[string]struct {
		tag   string
		alloc func(int) []byte
	}{
		"siteA":       {"", siteA},
		"siteB":       {"b", siteB},
		"siteTry":     {"try", siteTry},
		"siteAligned": {"aligned", siteAligned},
	} {
		var blocks [][]byte
		var want amounts
		got := since(t, name, site.tag)
		for n := 1; n < 300_000; n += 1 + n/7 {
			b := site.alloc(n)
			if len(b) != n || cap(b) != n || !isZero(b) || name == "siteAligned" && uintptr(unsafe.Pointer(&b[0]))%256 != 0 {
				t.Fatalf("%s(%d): length %d, capacity %d, at %p", name, n, len(b), cap(b), &b[0])
			}
			fill(b, 1)
			blocks = append(blocks, b)
			want = amounts{want.allocObjects + 1, want.allocBytes + int64(n), want.liveObjects + 1, want.liveBytes + int64(n)}
		}
		if a := got(); a != want {
			t.Errorf("%s: %+v, want %+v", name, a, want)
		}
		for _, b := range blocks {
			if b[0] != 1 || b[len(b)-1] != 1 {
				t.Errorf("%s: a block of %d bytes changed", name, len(b))
			}
			z.Free(b)
		}
		want.liveObjects, want.liveBytes = 0, 0
		if a := got(); a != want {
			t.Errorf("%s, all freed: %+v, want %+v", name, a, want)
		}
	}
	wantLive(t, start)
}

func TestProfile_TagsAreApart(t *testing.T) {
	setRate(t, 1)
	one, two := since(t, "siteTwoTags", "one"), since(t, "siteTwoTags", "two")
	a, b := siteTwoTags(100, "one"), siteTwoTags(1000, "two")
	if one().liveBytes != 100 || two().liveBytes != 1000 {
		t.Errorf("one: %+v, two: %+v", one(), two())
	}
	z.Free(a)
	z.Free(b)
}

// A new rate holds at once, and does not disturb what was sampled at another.
func TestProfile_RateChanges(t *testing.T) {
	first := z.SetProfileRate(1)
	t.Cleanup(func() { z.SetProfileRate(first) })
	got := since(t, "siteA", "")
	const n, count = 512, 20_000
	var blocks [][]byte
	add := func() {
		for range count {
			blocks = append(blocks, siteA(n))
		}
	}
	add()
	if a := got(); a.liveBytes != n*count {
		t.Errorf("at rate 1: %+v", a)
	}
	if old := z.SetProfileRate(4096); old != 1 {
		t.Errorf("the old rate is %d", old)
	}
	add()
	if a := got(); !within(a.liveBytes-n*count, n*count, 0.15) {
		t.Errorf("at rate 4096: %+v", a)
	}
	for _, b := range blocks {
		z.Free(b)
	}
	if a := got(); a.liveBytes != 0 || a.liveObjects != 0 {
		t.Errorf("all freed: %+v", a)
	}
}

func TestProfile_NegativeRate(t *testing.T) {
	wantPanic(t, func() { z.SetProfileRate(-1) }, "z: SetProfileRate: negative rate -1")
}

// The rate is that of the whole program while goroutines come, go and free each other's blocks.
func TestProfile_GoroutinesAndRates(t *testing.T) {
	start := liveNow()
	setRate(t, 1000)
	handed := make(chan []byte, 100)
	var allocating, freeing sync.WaitGroup
	for g := range 4 {
		allocating.Add(1)
		freeing.Add(1)
		go func() {
			defer allocating.Done()
			for i := range 20_000 {
				b := siteB(1 + (i*37)%3000)
				fill(b, byte(i))
				handed <- b
				if i%1000 == g {
					z.SetProfileRate([]int{0, 1, 500, 100_000}[(i/1000)%4])
				}
			}
		}()
		go func() {
			defer freeing.Done()
			for b := range handed {
				if b[0] != b[len(b)-1] {
					t.Errorf("a block of %d bytes changed", len(b))
				}
				z.Free(b)
			}
		}()
	}
	allocating.Wait()
	close(handed)
	freeing.Wait()
	wantLive(t, start)
	if a := allocatedBy(readProfile(t), "siteB", "b"); a.liveBytes != 0 || a.liveObjects != 0 {
		t.Errorf("all freed: %+v", a)
	}
}

// Stacks begin at the caller of this package, and go on to the end.
func TestProfile_StacksBeginAtTheCaller(t *testing.T) {
	setRate(t, 1)
	defer z.Free(siteA(64))
	for _, s := range readProfile(t).Sample {
		if s.Location[0].Line[0].Function.Name != "github.com/zmem-go/zmem/z_test.siteA" || s.Value[3] == 0 {
			continue
		}
		var names []string
		for _, l := range s.Location {
			line := l.Line[0]
			names = append(names, fmt.Sprintf("%s %s:%d", line.Function.Name, filepath.Base(line.Function.Filename), line.Line))
		}
		stack := strings.Join(names, "\n")
		for _, want := range []string{"z_test.siteA profile_test.go:", "z_test.TestProfile_StacksBeginAtTheCaller profile_test.go:", "testing.tRunner testing.go:"} {
			if !strings.Contains(stack, want) {
				t.Errorf("no %s in\n%s", want, stack)
			}
		}
		return
	}
	t.Error("siteA is not there")
}

func TestProfile_SaysWhatItTakes(t *testing.T) {
	p := readProfile(t)
	if len(p.Comments) == 0 || !strings.HasPrefix(p.Comments[0], "zmem: the profile takes ") {
		t.Errorf("comments: %q", p.Comments)
	}
	if p.DefaultSampleType != "inuse_space" || p.Period != int64(z.ProfileRate()) {
		t.Errorf("default %q, period %d", p.DefaultSampleType, p.Period)
	}
}

// writeProfile writes the profile to a file, and pprof has Go's tool show some.
func writeProfile(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := z.WriteHeapProfile(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func pprof(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"tool", "pprof", "-unit=kb"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go tool pprof %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestProfile_GoToolReadsIt(t *testing.T) {
	setRate(t, 1)
	a := siteA(300 << 10)
	before := writeProfile(t, "before")
	b := siteB(700 << 10)
	after := writeProfile(t, "after")
	z.Free(a)
	freed := writeProfile(t, "freed")
	z.Free(b)

	for _, try := range []struct {
		want []string
		not  string
		args []string
	}{
		{[]string{"300kB", "z_test.siteA"}, "siteB", []string{"-top", "-nodecount=500", before}},
		{[]string{"700kB", "z_test.siteB"}, "siteA", []string{"-top", "-nodecount=500", "-diff_base=" + before, after}},
		{[]string{"-300kB", "z_test.siteA", "700kB"}, "", []string{"-top", "-nodecount=500", "-diff_base=" + before, freed}},
		{[]string{"700kB", "z_test.siteB", "z_test.TestProfile_GoToolReadsIt"}, "", []string{"-tree", "-nodecount=500", after}},
		{[]string{"siteB(n int)", "700kB"}, "", []string{"-list=siteB$", after}},
		{[]string{"tag:", "b"}, "", []string{"-tags", after}},
		{[]string{"zmem: the profile takes"}, "", []string{"-comments", after}},
		{[]string{"Type: alloc_objects"}, "", []string{"-top", "-sample_index=alloc_objects", after}},
	} {
		out := pprof(t, try.args...)
		for _, want := range try.want {
			if !strings.Contains(out, want) {
				t.Errorf("go tool pprof %q: no %q in\n%s", try.args, want, out)
			}
		}
		if try.not != "" && strings.Contains(out, try.not) {
			t.Errorf("go tool pprof %q: %q in\n%s", try.args, try.not, out)
		}
	}
}

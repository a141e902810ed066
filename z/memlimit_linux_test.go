//go:build !race && !asan

// (The sanitizers use several times as much memory.)

package z_test

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// fillBox is what the process may have, of which SetMemoryLimit gets nine tenths, as its comment says,
// and fillManual where manual memory ends. The Go side lives on 32 MiB and makes garbage, which GOGC=400
// alone lets grow to five times as much.
const (
	fillBox    = 256 << 20
	fillManual = 108 << 20
	fillStep   = 3 << 20 / 2
	fillRow    = 27 << 20
)

func init() { children["fill up"] = fillUp }

// fillUp fills manual memory bit by bit, while the Go side makes garbage, and prints for each row how
// often the collector ran meanwhile, at which size of the heap it is to run next, and the most memory
// that was resident.
func fillUp() {
	debug.SetGCPercent(400)
	if os.Getenv("FILL_LIMIT") != "" {
		z.SetMemoryLimit(fillBox / 10 * 9)
	}
	garbage := func(n int) {
		for i := range n {
			b := make([]byte, 64<<10)
			for j := 0; j < len(b); j += 4096 {
				b[j] = 1
			}
			fillLive[i%len(fillLive)] = b
		}
	}
	garbage(4096)
	var m runtime.MemStats
	var peak int64
	runtime.ReadMemStats(&m)
	before := m.NumGC
	for held := 0; held <= fillManual; held += fillStep {
		if held > 0 && held%fillRow == 0 {
			runtime.ReadMemStats(&m)
			fmt.Println(held>>20, m.NumGC-before, m.NextGC>>20, peak>>20)
			before, peak = m.NumGC, 0
		}
		b := z.Calloc(fillStep)
		fill(b, 1)
		garbage(640)
		statm, _ := os.ReadFile("/proc/self/statm")
		pages, _ := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
		peak = max(peak, pages*int64(os.Getpagesize()))
	}
}

var fillLive [512][]byte

type fillResult struct{ manual, gcs, next, peak int64 }

func runFillUp(t *testing.T, env string) (rows []fillResult) {
	t.Helper()
	out, err := runChild(t, "fill up", env, "GOMEMLIMIT=", "GOGC=")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(out) {
		var r fillResult
		if _, err := fmt.Sscan(line, &r.manual, &r.gcs, &r.next, &r.peak); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		rows = append(rows, r)
	}
	if len(rows) != fillManual/fillRow {
		t.Fatalf("%d rows:\n%s", len(rows), out)
	}
	return rows
}

// A program that fills manual memory sees the collector run earlier, and stays within its box.
func TestSetMemoryLimit_KeepsTheTotal(t *testing.T) {
	free, limited := runFillUp(t, "FILL_LIMIT="), runFillUp(t, "FILL_LIMIT=1")
	// The runtime's limit is a soft one: on a machine that is busy, the collector may be late.
	for tries := 1; tries < 3 && highest(limited) > fillBox>>20; tries++ {
		limited = runFillUp(t, "FILL_LIMIT=1")
	}
	t.Logf("                  without a limit                    with one, in a box of %d MiB", fillBox>>20)
	t.Log("manual memory     GCs  at heap size  resident        GCs  at heap size  resident")
	for i, f := range free {
		l := limited[i]
		t.Logf("%9d MiB  %6d  %8d MiB %5d MiB  %9d  %8d MiB %5d MiB", f.manual, f.gcs, f.next, f.peak,
			l.gcs, l.next, l.peak)
	}
	last := len(free) - 1
	if free[last].peak <= fillBox>>20 {
		t.Errorf("without a limit, only %d MiB are resident: the test shows nothing", free[last].peak)
	}
	if got := limited[last].next; got >= limited[0].next || got >= free[last].next {
		t.Errorf("with %d MiB of manual memory, the collector is to run at a heap of %d MiB",
			limited[last].manual, got)
	}
	if got := highest(limited); got > fillBox>>20 {
		t.Errorf("%d MiB are resident in a box of %d", got, fillBox>>20)
	}
}

// highest is the most memory that was resident.
func highest(rows []fillResult) int64 {
	return slices.MaxFunc(rows, func(a, b fillResult) int { return cmp.Compare(a.peak, b.peak) }).peak
}

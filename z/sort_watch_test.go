package z_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

// inEachKind runs f with a Buffer of each kind of memory.
func inEachKind(t *testing.T, f func(t *testing.T, b *z.Buffer)) {
	for _, kind := range []struct {
		name string
		make func() (*z.Buffer, error)
	}{
		{"memory", func() (*z.Buffer, error) { return z.NewBuffer(0), nil }},
		{"temporary file", func() (*z.Buffer, error) { return z.NewBufferTmp(t.TempDir(), 0) }},
		{"file", func() (*z.Buffer, error) {
			return z.NewBufferPersistent(filepath.Join(t.TempDir(), "b"), 0)
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			b, err := kind.make()
			noError(t, err)
			f(t, b)
			noError(t, b.Release())
		})
	}
}

// watched is the two ways to sort: in C, and in Go.
var watched = []struct {
	name string
	opts z.SortOptions
}{
	{"bytes", z.SortOptions{}},
	{"uint64", z.SortOptions{Key: z.ByUint64, Offset: 1}},
	{"words", z.SortOptions{Key: z.ByInt64}},
	{"less", z.SortOptions{Less: lessBySecondByte}},
	{"less, parallel", z.SortOptions{Less: lessBySecondByte, Threads: 3}},
}

// A sort that is stopped, at any point, leaves all records, and gives back all that it took.
func TestBuffer_SortStopped(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	start, files := liveNow(), z.NumFileBytes()
	for _, w := range watched {
		t.Run(w.name, func(t *testing.T) {
			records := sortable(40_000)
			if w.name == "words" {
				for i, r := range records {
					records[i] = r[:8]
				}
			}
			sorted := slices.Clone(records)
			slices.SortFunc(sorted, bytes.Compare)
			inEachKind(t, func(t *testing.T, b *z.Buffer) {
				stopped := 0
				var longest time.Duration
				for round := range 6 {
					b.Reset()
					for _, r := range records {
						b.WriteSlice(r)
					}
					live, inFiles := liveNow(), z.NumFileBytes()
					ctx, cancel := context.WithCancel(context.Background())
					began := time.Now()
					after := time.Hour // to see how long it takes
					if round > 0 {
						after = time.Duration(rnd.Int64N(int64(longest)))
					}
					timer := time.AfterFunc(after, cancel)
					err := b.Sort(ctx, w.opts)
					longest = max(longest, time.Since(began))
					timer.Stop()
					cancel()
					if err != nil {
						stopped++
						if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "z: Buffer.Sort: ") {
							t.Fatalf("error %v", err)
						}
					}
					if got := z.NumFileBytes(); liveNow() != live || got != inFiles {
						t.Fatalf("%v and %d bytes in files, before %v and %d", liveNow(), got, live, inFiles)
					}
					got := slices.Collect(b.Records())
					slices.SortFunc(got, bytes.Compare)
					if !slices.EqualFunc(got, sorted, bytes.Equal) {
						t.Fatalf("%d records, or others than the %d before", len(got), len(records))
					}
				}
				t.Logf("stopped %d times of 6", stopped)
			})
		})
	}
	wantLive(t, start)
	if got := z.NumFileBytes(); got != files {
		t.Errorf("%d bytes in files, before %d", got, files)
	}
}

// The same from less itself, which stops at each of many calls rather than after some time.
func TestBuffer_SortStoppedByCalls(t *testing.T) {
	const n = 40_000
	records := sortable(n)
	b := z.NewBuffer(0)
	defer b.Release()
	stopped := 0
	for after := int64(1); after < 1_200_000; after += after/2 + 7919 {
		b.Reset()
		for _, r := range records {
			b.WriteSlice(r)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var calls atomic.Int64
		err := b.Sort(ctx, z.SortOptions{Threads: 2, Less: func(l, r []byte) bool {
			if calls.Add(1) == after {
				cancel()
				time.Sleep(2 * time.Millisecond) // until the sort knows
			}
			return lessBySecondByte(l, r)
		}})
		cancel()
		if errors.Is(err, context.Canceled) {
			stopped++
		} else if err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(records)
		got := slices.Collect(b.Records())
		slices.SortFunc(want, bytes.Compare)
		slices.SortFunc(got, bytes.Compare)
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("after %d calls: %d records, or others than the %d before", after, len(got), n)
		}
	}
	if stopped < 3 {
		t.Errorf("stopped %d times", stopped)
	}
}

// A sort that is watched sorts, and says how far it is, up to the end.
func TestBuffer_SortProgress(t *testing.T) {
	for _, w := range watched {
		t.Run(w.name, func(t *testing.T) {
			b := z.NewBuffer(0)
			defer b.Release()
			records := sortable(80_000)
			for i, r := range records {
				if w.name == "words" {
					records[i] = r[:8]
				}
				b.WriteSlice(records[i])
			}
			opts := w.opts
			var last, calls int64
			opts.Progress = func(done, total int64) {
				if done < last || done > total || total != int64(b.LenNoPadding()) {
					t.Errorf("%d of %d after %d", done, total, last)
				}
				last = done
				calls++
			}
			if less := opts.Less; less != nil {
				opts.Less = func(l, r []byte) bool { return less(l, r) }
			}
			noError(t, b.Sort(context.Background(), opts))
			if last != int64(b.LenNoPadding()) || calls == 0 {
				t.Errorf("%d of %d at the end, after %d calls", last, b.LenNoPadding(), calls)
			}
			compare := bySecondByte
			switch w.name {
			case "bytes":
				compare = bytes.Compare
			case "uint64":
				compare = func(l, r []byte) int { return cmp.Compare(keyAt(l), keyAt(r)) }
			case "words":
				return
			}
			slices.SortStableFunc(records, compare)
			wantRecords(t, b, records, b.SliceOffsets())
		})
	}
}

// In the middle of a long sort something between nothing and all is done.
func TestBuffer_SortProgressMoves(t *testing.T) {
	b := z.NewBuffer(0)
	defer b.Release()
	for _, r := range sortable(30_000) {
		b.WriteSlice(r)
	}
	seen := map[int64]bool{}
	noError(t, b.Sort(context.Background(), z.SortOptions{
		Less: func(l, r []byte) bool {
			for began := time.Now(); time.Since(began) < 2*time.Microsecond; {
			}
			return lessBySecondByte(l, r)
		},
		Progress: func(done, total int64) { seen[16*done/total] = true },
	}))
	if len(seen) < 4 {
		t.Errorf("it showed %v sixteenths", seen)
	}
}

func TestBuffer_SortBeforeItBegins(t *testing.T) {
	inEachKind(t, func(t *testing.T, b *z.Buffer) {
		for _, r := range sortable(100) {
			b.WriteSlice(r)
		}
		before := bytes.Clone(b.Bytes())
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for _, w := range watched {
			if err := b.Sort(ctx, w.opts); !errors.Is(err, context.Canceled) || !bytes.Equal(b.Bytes(), before) {
				t.Errorf("%s: %v, or the Buffer changed", w.name, err)
			}
		}
		late, cancel := context.WithTimeout(context.Background(), -1)
		defer cancel()
		if err := b.Sort(late, z.SortOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// A range, options that make no sense, and panics in what the caller passes.
func TestBuffer_SortOptions(t *testing.T) {
	b := z.NewBuffer(0)
	defer b.Release()
	records := sortable(100)
	for _, r := range records {
		b.WriteSlice(r)
	}
	offsets := b.SliceOffsets()
	sort := func(opts z.SortOptions) error { return b.Sort(context.Background(), opts) }
	noError(t, sort(z.SortOptions{Start: offsets[90]}))
	noError(t, sort(z.SortOptions{End: offsets[10], Threads: 1}))
	slices.SortFunc(records[90:], bytes.Compare)
	slices.SortFunc(records[:10], bytes.Compare)
	wantRecords(t, b, records, b.SliceOffsets())
	for _, opts := range []z.SortOptions{{Start: -1}, {End: -1}, {Start: 1}, {Start: offsets[5], End: offsets[4]},
		{End: b.LenWithPadding() + 1}, {Key: z.ByUint64, Offset: 1 << 62}} {
		if err := sort(opts); !errors.Is(err, z.ErrNoRecord) || !strings.HasPrefix(err.Error(), "z: Buffer.Sort: ") {
			t.Errorf("%+v: %v", opts, err)
		}
	}
	wantPanic(t, func() { _ = sort(z.SortOptions{Offset: -1}) }, "z: Buffer.Sort: negative offset -1")
	wantPanic(t, func() { _ = sort(z.SortOptions{Threads: -1}) }, "z: Buffer.Sort: negative number of threads, -1")
	wantPanic(t, func() { _ = sort(z.SortOptions{Key: 3}) }, "z: Buffer.Sort: no key 3")
	wantPanic(t, func() { b.SortSlice(nil) }, "z: Buffer.SortSlice: nil LessFunc")
	start := liveNow()
	wantPanic(t, func() { _ = sort(z.SortOptions{Less: func(l, r []byte) bool { panic("enough") }}) }, "enough")
	wantPanic(t, func() { _ = sort(z.SortOptions{Progress: func(done, total int64) { panic("seen") }}) }, "seen")
	slow := func(l, r []byte) bool { time.Sleep(time.Millisecond); return l[1] < r[1] }
	wantPanic(t, func() {
		_ = sort(z.SortOptions{Less: slow, Progress: func(done, total int64) { panic("seen") }})
	}, "seen")
	wantLive(t, start)
	if n := len(b.SliceOffsets()); n != 100 {
		t.Errorf("%d records", n)
	}
	noError(t, b.SortBytesBetween(offsets[0], offsets[0]))
	if err := b.SortBytesBetween(offsets[0], -1); !errors.Is(err, z.ErrNoRecord) {
		t.Errorf("up to -1: %v", err)
	}
}

// What is in files is counted while it is, also while a sort takes scratch of it.
func TestNumFileBytes(t *testing.T) {
	start := z.NumFileBytes()
	inFiles := func() int64 { return z.NumFileBytes() - start }
	want := func(n int64) {
		t.Helper()
		var s z.MemStats
		z.ReadMemStats(&s)
		if inFiles() != n || int64(s.FileBytes)-start != n {
			t.Fatalf("%d bytes in files, %d by MemStats, want %d", inFiles(), int64(s.FileBytes)-start, n)
		}
	}
	b := z.NewBuffer(mib).WithAutoMmap(mib, t.TempDir())
	want(0)
	if b.InFile() {
		t.Error("in a file")
	}
	b.Grow(mib)
	if !b.InFile() {
		t.Error("not in a file")
	}
	want(int64(len(b.Data(0))))
	b.Grow(8 * mib)
	want(int64(len(b.Data(0))))
	for i := range 1000 {
		b.WriteSlice([]byte{byte(i * 7), byte(i)})
	}
	var during int64
	b.SortSlice(func(l, r []byte) bool { during = inFiles(); return l[0] < r[0] })
	if during <= inFiles() {
		t.Errorf("%d bytes during the sort, %d after", during, inFiles())
	}
	b.Reset()
	want(int64(len(b.Data(0))))
	noError(t, b.Release())
	want(0)

	name := filepath.Join(t.TempDir(), "b")
	for range 2 {
		p, err := z.NewBufferPersistent(name, mib)
		noError(t, err)
		want(int64(len(p.Data(0))) + 4096)
		if !p.InFile() {
			t.Error("not in a file")
		}
		if _, err := z.NewBufferPersistent(name, mib); !errors.Is(err, z.ErrInUse) {
			t.Fatal(err)
		}
		p.Grow(3 * mib)
		want(int64(len(p.Data(0))) + 4096)
		noError(t, p.Sync())
		noError(t, p.Release())
		want(0)
	}
	view := z.NewBufferSlice(make([]byte, 100))
	if view.InFile() {
		t.Error("a view in a file")
	}
	want(0)
	if _, err := z.NewBufferTmp(filepath.Join(t.TempDir(), "none"), 0); !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	want(0)
}

// Each Try method does what its namesake does, or returns the error that that panics with, and appends
// nothing.
func TestBuffer_TryMethods(t *testing.T) {
	b, want := z.NewBuffer(0), z.NewBuffer(0)
	defer b.Release()
	defer want.Release()
	for i := range 300 {
		p, err := b.TryAllocate(i)
		noError(t, err)
		copy(p, "abc")
		copy(want.Allocate(i), "abc")
		off, err := b.TryAllocateOffset(i)
		if err != nil || off != want.AllocateOffset(i) {
			t.Fatalf("offset %d, %v", off, err)
		}
		r, err := b.TrySliceAllocate(i)
		noError(t, err)
		copy(r, "record")
		copy(want.SliceAllocate(i), "record")
		noError(t, b.TryWriteSlice(bytes.Clone(r[:min(i, 5)])))
		want.WriteSlice(bytes.Clone([]byte("record")[:min(i, 5)]))
	}
	if !bytes.Equal(b.Bytes(), want.Bytes()) {
		t.Fatal("they differ")
	}
	b.WithMaxSize(b.LenWithPadding() + 10)
	before := b.LenWithPadding()
	for name, try := range map[string]func() error{
		"TryAllocate":       func() error { p, err := b.TryAllocate(11); return errors.Join(err, notNil(p != nil)) },
		"TryAllocateOffset": func() error { off, err := b.TryAllocateOffset(11); return errors.Join(err, notNil(off != 0)) },
		"TrySliceAllocate":  func() error { p, err := b.TrySliceAllocate(3); return errors.Join(err, notNil(p != nil)) },
		"TryWriteSlice":     func() error { return b.TryWriteSlice([]byte("abc")) },
	} {
		err := try()
		if !errors.Is(err, z.ErrLimit) || errors.Is(err, errNotNil) || !strings.HasPrefix(err.Error(), "z: Buffer."+name+": ") {
			t.Errorf("%s: %v", name, err)
		}
		if b.LenWithPadding() != before {
			t.Errorf("%s appended something", name)
		}
	}
	noError(t, b.TryWriteSlice([]byte("ab"))) // just fits
}

var errNotNil = errors.New("a result beside an error")

func notNil(there bool) error {
	if there {
		return errNotNil
	}
	return nil
}

const mib = 1 << 20

package z_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/zmem-go/zmem/z"
)

// mapFrom is where the C core changes from the heap to a mapping, in bytes (MAP_FROM of buffer.c).
const mapFrom = 2 << 20

// bufferModes make an empty Buffer of each kind of memory; those that change it do so at the sizes
// that the tests cross.
var bufferModes = []struct {
	name string
	make func(t testing.TB) *z.Buffer
}{
	{"heap", func(testing.TB) *z.Buffer { return z.NewBuffer(0) }},
	{"mapped", func(testing.TB) *z.Buffer { return z.NewBuffer(mapFrom) }},
	{"heap to file", func(t testing.TB) *z.Buffer {
		return z.NewBuffer(0).WithAutoMmap(5000, t.TempDir())
	}},
	{"mapped to file", func(t testing.TB) *z.Buffer {
		return z.NewBuffer(0).WithAutoMmap(mapFrom+5000, t.TempDir())
	}},
	{"file", func(t testing.TB) *z.Buffer { return must(z.NewBufferTmp(t.TempDir(), 0))(t) }},
	{"persistent", func(t testing.TB) *z.Buffer {
		return must(z.NewBufferPersistent(t.TempDir()+"/buffer", 0))(t)
	}},
}

// must fails the test where there is an error.
func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// inEachMode runs a test for each kind of memory, releases the Buffer and checks that nothing is
// left.
func inEachMode(t *testing.T, f func(t *testing.T, b *z.Buffer)) {
	for _, mode := range bufferModes {
		t.Run(mode.name, func(t *testing.T) {
			before := liveNow()
			b := mode.make(t)
			f(t, b)
			if err := b.Release(); err != nil {
				t.Error(err)
			}
			wantLive(t, before)
		})
	}
}

func TestBuffer_New(t *testing.T) {
	inEachMode(t, func(t *testing.T, b *z.Buffer) {
		if !b.IsEmpty() || b.LenNoPadding() != 0 || b.LenWithPadding() != 8 || b.StartOffset() != 8 {
			t.Errorf("new: %v, %d, %d, %d", b.IsEmpty(), b.LenNoPadding(), b.LenWithPadding(), b.StartOffset())
		}
		if got := b.Bytes(); len(got) != 0 || cap(got) != 0 {
			t.Errorf("Bytes: %d of %d", len(got), cap(got))
		}
		if got := len(b.Data(0)); got < 64 {
			t.Errorf("room for %d bytes", got)
		}
		if got := b.SliceOffsets(); len(got) != 0 {
			t.Errorf("SliceOffsets: %v", got)
		}
		if s, next := b.Slice(b.StartOffset()); s != nil || next != -1 {
			t.Errorf("Slice: %v, %d", s, next)
		}
	})
}

// What was written stays, wherever the Buffer moves, and what Allocate hands out is zero.
func TestBuffer_GrowKeepsBytes(t *testing.T) {
	inEachMode(t, func(t *testing.T, b *z.Buffer) {
		var want []byte
		for n := 1; len(want) < 3*mapFrom; n = n*3/2 + 1 {
			p := make([]byte, n)
			for i := range p {
				p[i] = byte(i*7 + n)
			}
			if got, err := b.Write(p); got != n || err != nil {
				t.Fatal(got, err)
			}
			a := b.Allocate(n)
			if len(a) != n || cap(a) != n || len(bytes.Trim(a, "\x00")) != 0 {
				t.Fatalf("Allocate(%d): len %d, cap %d, or not zero", n, len(a), cap(a))
			}
			copy(a, p)
			off := b.AllocateOffset(n)
			if off != b.LenWithPadding()-n {
				t.Fatalf("AllocateOffset: %d, want %d", off, b.LenWithPadding()-n)
			}
			copy(b.Data(off), p)
			want = append(append(append(want, p...), p...), p...)
			if !bytes.Equal(b.Bytes(), want) {
				t.Fatalf("the bytes differ at length %d", len(want))
			}
		}
		b.Reset()
		if !b.IsEmpty() {
			t.Error("Reset left bytes")
		}
		b.Write(want)
		if !bytes.Equal(b.Bytes(), want) {
			t.Error("the bytes differ after Reset")
		}
	})
}

func TestBuffer_Records(t *testing.T) {
	inEachMode(t, func(t *testing.T, b *z.Buffer) {
		var want [][]byte
		var offsets []int
		for i := range 300 {
			record := bytes.Repeat([]byte{byte(i)}, i*i%5003)
			offsets = append(offsets, b.LenWithPadding())
			want = append(want, record)
			if i%2 == 0 {
				b.WriteSlice(record)
			} else if s := b.SliceAllocate(len(record)); len(s) != len(record) || cap(s) != len(s) {
				t.Fatalf("SliceAllocate(%d): len %d, cap %d", len(record), len(s), cap(s))
			} else {
				copy(s, record)
			}
		}
		wantRecords(t, b, want, offsets)
	})
}

// wantRecords reads the records in every way there is.
func wantRecords(t *testing.T, b *z.Buffer, want [][]byte, offsets []int) {
	t.Helper()
	check := func(how string, got [][]byte) {
		t.Helper()
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("%s: %d records that differ from the %d written", how, len(got), len(want))
		}
		for _, record := range got {
			if cap(record) != len(record) {
				t.Fatalf("%s: a record of %d bytes with capacity %d", how, len(record), cap(record))
			}
		}
	}
	var got [][]byte
	err := b.SliceIterate(func(record []byte) error { got = append(got, record); return nil })
	if err != nil {
		t.Fatal(err)
	}
	check("SliceIterate", got)
	check("Records", slices.Collect(b.Records()))
	got = nil
	var at []int
	for off, record := range b.All() {
		at, got = append(at, off), append(got, record)
	}
	check("All", got)
	if !slices.Equal(at, offsets) || !slices.Equal(b.SliceOffsets(), offsets) {
		t.Fatalf("offsets: %v and %v, want %v", at, b.SliceOffsets(), offsets)
	}
	got = nil
	for next := b.StartOffset(); next >= 0 && len(want) > 0; {
		var record []byte
		record, next = b.Slice(next)
		got = append(got, record)
	}
	check("Slice", got)
}

func TestBuffer_IterationStops(t *testing.T) {
	b := z.NewBuffer(0)
	defer b.Release()
	for range 3 {
		b.WriteSlice(nil)
	}
	n, stop := 0, errors.New("stop")
	if err := b.SliceIterate(func([]byte) error { n++; return stop }); err != stop || n != 1 {
		t.Errorf("SliceIterate: %v after %d records", err, n)
	}
	for range b.Records() {
		n++
		break
	}
	for range b.All() {
		n++
		break
	}
	if n != 3 {
		t.Errorf("%d records, want 3", n)
	}
}

// Appending while iterating moves the Buffer; the iteration goes on where it is then.
func TestBuffer_AppendWhileIterating(t *testing.T) {
	inEachMode(t, func(t *testing.T, b *z.Buffer) {
		b.WriteSlice([]byte{0})
		n := 0
		err := b.SliceIterate(func(record []byte) error {
			if int(record[0]) != n {
				t.Fatalf("record %d is %d", n, record[0])
			}
			if n++; n < 100 {
				next := make([]byte, 100*n)
				next[0] = byte(n)
				b.WriteSlice(next)
			}
			return nil
		})
		if n != 100 || err != nil {
			t.Errorf("%d records, %v", n, err)
		}
		n = 0
		for range b.Records() {
			if n++; n == 100 {
				b.WriteSlice(make([]byte, mapFrom))
			}
		}
		if n != 101 {
			t.Errorf("%d records, want 101", n)
		}
	})
}

func TestBuffer_NoRecord(t *testing.T) {
	b := z.NewBuffer(0)
	defer b.Release()
	b.SliceAllocate(3)
	for _, off := range []int{-1, -8, math.MinInt, 0, 1, 7, 12, 18} { // 18: the last byte
		wantPanic(t, func() { b.Slice(off) }, "z: Buffer.Slice: no record at offset", fmt.Sprint(off))
	}
	for _, off := range []int{19, 20, 1000, math.MaxInt} {
		if record, next := b.Slice(off); record != nil || next != -1 {
			t.Errorf("Slice(%d): %v, %d", off, record, next)
		}
	}
	b.Reset()
	copy(b.Allocate(9), []byte{2, 0, 0, 0, 0, 0, 0, 0, 1}) // a record of 2 bytes, of which 1 is there
	wantPanic(t, func() { b.Slice(8) }, "no record at offset 8")
	wantPanic(t, func() { b.SliceOffsets() }, "no record at offset 8")
	copy(b.Data(8), bytes.Repeat([]byte{0xff}, 8))
	wantPanic(t, func() { b.Slice(8) }, "no record at offset 8")
}

func TestBuffer_Data(t *testing.T) {
	b := z.NewBuffer(100)
	defer b.Release()
	b.WriteString("hello")
	if got := b.Data(8); string(got[:5]) != "hello" || len(got) != 92 || cap(got) != 92 {
		t.Errorf("Data(8): %q, cap %d", got, cap(got))
	}
	if got := b.Data(100); len(got) != 0 {
		t.Errorf("Data(100): %d bytes", len(got))
	}
	for _, off := range []int{101, -1, math.MinInt, math.MaxInt} {
		wantPanic(t, func() { b.Data(off) }, "z: Buffer.Data: offset", fmt.Sprint(off))
	}
}

func TestBuffer_NegativeSizes(t *testing.T) {
	b := z.NewBuffer(1000)
	defer b.Release()
	for _, n := range []int{-1, -8, -9, math.MinInt} {
		for name, f := range map[string]func(){
			"Allocate":       func() { b.Allocate(n) },
			"AllocateOffset": func() { b.AllocateOffset(n) },
			"SliceAllocate":  func() { b.SliceAllocate(n) },
			"Grow":           func() { b.Grow(n) },
			"TryGrow":        func() { b.TryGrow(n) },
			"WithMaxSize":    func() { b.WithMaxSize(n) },
			"WithAutoMmap":   func() { b.WithAutoMmap(n, "") },
		} {
			wantPanic(t, f, "z: Buffer."+name+": negative size", fmt.Sprint(n))
		}
		wantPanic(t, func() { z.NewBuffer(n) }, "z: NewBuffer: negative size")
		wantPanic(t, func() { z.NewBufferTmp("", n) }, "z: NewBufferTmp: negative size")
		wantPanic(t, func() { z.NewBufferPersistent("x", n) }, "z: NewBufferPersistent: negative size")
	}
	if !b.IsEmpty() {
		t.Errorf("%d bytes were appended", b.LenNoPadding())
	}
}

// Impossible sizes are errors, and the Buffer is as it was.
func TestBuffer_ImpossibleSizes(t *testing.T) {
	inEachMode(t, func(t *testing.T, b *z.Buffer) {
		b.WriteSlice([]byte("kept"))
		before := liveNow()
		for _, n := range []int{math.MaxInt, math.MaxInt - 7, math.MaxInt - 8, 1 << 62,
			z.MaxArrayLen, z.MaxArrayLen - 12} {
			if err := b.TryGrow(n); err == nil {
				t.Errorf("TryGrow(%d) succeeded", n)
			}
			for _, f := range []func(){
				func() { b.Grow(n) },
				func() { b.Allocate(n) },
				func() { b.AllocateOffset(n) },
				func() { b.SliceAllocate(n) },
			} {
				if _, ok := panicOf(f).(error); !ok {
					t.Errorf("no panic with an error for %d bytes", n)
				}
			}
		}
		if !errors.Is(b.TryGrow(z.MaxArrayLen), z.ErrOutOfMemory) {
			t.Error("not ErrOutOfMemory")
		}
		wantLive(t, before)
		wantRecords(t, b, [][]byte{[]byte("kept")}, []int{8})
	})
	wantPanic(t, func() { z.NewBuffer(math.MaxInt) }, "out of memory")
	wantPanic(t, func() { z.NewBuffer(z.MaxArrayLen) }, "out of memory")
}

func TestBuffer_WithMaxSize(t *testing.T) {
	for _, max := range []int{1000, mapFrom, mapFrom + 1234} {
		inEachMode(t, func(t *testing.T, b *z.Buffer) {
			if b.WithMaxSize(max) != b {
				t.Fatal("another Buffer")
			}
			for b.LenWithPadding() < max {
				if _, err := b.Write(make([]byte, min(300, max-b.LenWithPadding()))); err != nil {
					t.Fatal(err)
				}
				if got := len(b.Data(0)); got > max {
					t.Fatalf("room for %d bytes, beyond the %d allowed", got, max)
				}
			}
			before := liveNow()
			n, err := b.Write([]byte{1})
			if n != 0 || !errors.Is(err, z.ErrLimit) || !strings.HasPrefix(err.Error(), "z: Buffer.Write: ") {
				t.Errorf("Write: %d, %v", n, err)
			}
			if err := b.WriteByte(1); !errors.Is(err, z.ErrLimit) {
				t.Errorf("WriteByte: %v", err)
			}
			if _, err := b.WriteString("1"); !errors.Is(err, z.ErrLimit) {
				t.Errorf("WriteString: %v", err)
			}
			if n, err := b.ReadFrom(strings.NewReader("1")); n != 0 || !errors.Is(err, z.ErrLimit) {
				t.Errorf("ReadFrom: %d, %v", n, err)
			}
			for _, f := range []func(){
				func() { b.Allocate(1) }, func() { b.SliceAllocate(0) }, func() { b.Grow(1) },
			} {
				if err, _ := panicOf(f).(error); !errors.Is(err, z.ErrLimit) {
					t.Errorf("panic with %v", err)
				}
			}
			wantLive(t, before)
			if b.LenWithPadding() != max {
				t.Errorf("%d bytes, want %d", b.LenWithPadding(), max)
			}
			if _, err := b.WithMaxSize(0).Write([]byte{1}); err != nil {
				t.Errorf("without the bound: %v", err)
			}
		})
	}
}

// A bound below what is there stops growth; after Reset it holds for what is appended.
func TestBuffer_WithMaxSizeBelowLength(t *testing.T) {
	b := z.NewBuffer(0)
	defer b.Release()
	b.Write(make([]byte, 500))
	b.WithMaxSize(100)
	if _, err := b.Write([]byte{1}); !errors.Is(err, z.ErrLimit) {
		t.Errorf("Write: %v", err)
	}
	b.Reset()
	b.Allocate(92)
	if err := b.TryGrow(1); !errors.Is(err, z.ErrLimit) {
		t.Errorf("TryGrow: %v", err)
	}
	b.WithMaxSize(1).Reset()
	if err := b.TryGrow(1); !errors.Is(err, z.ErrLimit) || !b.IsEmpty() {
		t.Errorf("TryGrow: %v", err)
	}
}

// NumAllocBytes goes by the memory held, and stops counting where the bytes go to a file.
func TestBuffer_Counted(t *testing.T) {
	const control = 96 // bytes of a zm_buffer_t on 64-bit systems
	before := liveNow()
	want := func(bytes, blocks int64) {
		t.Helper()
		wantLive(t, live{before.bytes + bytes, before.blocks + blocks})
	}
	b := z.NewBuffer(1000)
	want(control+1000, 2)
	b.Grow(2000)
	want(control+int64(len(b.Data(0))), 2)
	b.Grow(mapFrom)
	want(control+int64(len(b.Data(0))), 2)
	b.Grow(3 * mapFrom)
	want(control+int64(len(b.Data(0))), 2)
	b.WithAutoMmap(mapFrom, t.TempDir()).Grow(8 * mapFrom)
	want(control, 1)
	b.Release()
	want(0, 0)
}

// Up to the threshold a Buffer stays in memory, even where doubling it would go beyond.
func TestBuffer_AutoMmapThreshold(t *testing.T) {
	before := liveNow()
	b := z.NewBuffer(0).WithAutoMmap(3000, t.TempDir())
	b.Allocate(2992)
	if got := liveNow().bytes - before.bytes; got < 3000 {
		t.Errorf("%d bytes are counted: moved to the file too early", got)
	}
	b.Allocate(1)
	if got := liveNow().bytes - before.bytes; got > 100 {
		t.Errorf("%d bytes are counted: not moved to the file", got)
	}
	wantPanic(t, func() { b.WithAutoMmap(1, "") }, "z: Buffer.WithAutoMmap: ")
	b.Release()

	b = z.NewBuffer(0).AutoMmapAfter(100).WithAutoMmap(0, "")
	b.Allocate(5000)
	if got := liveNow().bytes - before.bytes; got < 5000 {
		t.Errorf("%d bytes are counted: moved to a file with a threshold of 0", got)
	}
	b.Release()
	wantLive(t, before)
}

func TestBuffer_Released(t *testing.T) {
	var none *z.Buffer
	if err := none.Release(); err != nil {
		t.Error(err)
	}
	var unmade z.Buffer
	released := z.NewBuffer(0)
	view := z.NewBufferSlice([]byte("abc"))
	for _, b := range []*z.Buffer{&unmade, released, view} {
		for range 2 {
			if err := b.Release(); err != nil {
				t.Error(err)
			}
		}
		for name, f := range map[string]func(){
			"Write": func() { b.Write([]byte{1}) }, "WriteString": func() { b.WriteString("a") },
			"WriteByte": func() { b.WriteByte(1) }, "Grow": func() { b.Grow(1) },
			"TryGrow": func() { b.TryGrow(1) }, "Allocate": func() { b.Allocate(0) },
			"AllocateOffset": func() { b.AllocateOffset(0) }, "SliceAllocate": func() { b.SliceAllocate(0) },
			"Slice": func() { b.Slice(8) }, "SliceOffsets": func() { b.SliceOffsets() },
			"SliceIterate": func() { b.SliceIterate(nil) }, "Bytes": func() { b.Bytes() },
			"Data": func() { b.Data(0) }, "LenNoPadding": func() { b.LenNoPadding() },
			"LenWithPadding": func() { b.LenWithPadding() }, "StartOffset": func() { b.StartOffset() },
			"IsEmpty": func() { b.IsEmpty() }, "Reset": func() { b.Reset() }, "Sync": func() { b.Sync() },
			"ReadFrom":     func() { b.ReadFrom(strings.NewReader("")) },
			"WithMaxSize":  func() { b.WithMaxSize(1) },
			"WithAutoMmap": func() { b.WithAutoMmap(1, "") },
		} {
			wantPanic(t, f, "z: Buffer."+name+": use after Release")
		}
	}
}

// Released in the middle of an iteration, a Buffer is not read again.
func TestBuffer_ReleasedWhileIterating(t *testing.T) {
	b := z.NewBuffer(0)
	b.WriteSlice(nil)
	b.WriteSlice(nil)
	wantPanic(t, func() { b.SliceIterate(func([]byte) error { return b.Release() }) }, "use after Release")
}

func TestNewBufferSlice(t *testing.T) {
	made := z.NewBuffer(0)
	defer made.Release()
	for _, s := range []string{"a", "", "bcd"} {
		made.WriteSlice([]byte(s))
	}
	bytes := slices.Clone(made.Bytes())
	b := z.NewBufferSlice(bytes)
	if b.StartOffset() != 0 || b.LenNoPadding() != len(bytes) || b.LenWithPadding() != len(bytes) {
		t.Errorf("%d, %d, %d", b.StartOffset(), b.LenNoPadding(), b.LenWithPadding())
	}
	wantRecords(t, b, [][]byte{{'a'}, {}, []byte("bcd")}, []int{0, 9, 17})
	kept := slices.Clone(bytes)
	for range 2 {
		if _, err := b.Write([]byte{1}); !errors.Is(err, z.ErrLimit) {
			t.Errorf("Write: %v", err)
		}
		if err, _ := panicOf(func() { b.Allocate(0) }).(error); !errors.Is(err, z.ErrLimit) {
			t.Errorf("Allocate: %v", err)
		}
		b.WithMaxSize(1000).Reset()
	}
	if !b.IsEmpty() || !slices.Equal(bytes, kept) {
		t.Errorf("%q", bytes)
	}
	wantPanic(t, func() { b.WithAutoMmap(1, "") }, "z: Buffer.WithAutoMmap")
	if err := b.Release(); err != nil {
		t.Error(err)
	}
	empty := z.NewBufferSlice(nil)
	if !empty.IsEmpty() || empty.SliceOffsets() != nil || len(empty.Bytes()) != 0 {
		t.Error("a Buffer of no bytes is not empty")
	}
}

func TestBuffer_ReadFromWriteTo(t *testing.T) {
	text := strings.Repeat("0123456789", 100_000)
	inEachMode(t, func(t *testing.T, b *z.Buffer) {
		b.WriteString("first ")
		b.WriteByte('!')
		n, err := b.ReadFrom(iotest.HalfReader(strings.NewReader(text)))
		if n != int64(len(text)) || err != nil {
			t.Fatal(n, err)
		}
		n, err = b.ReadFrom(iotest.DataErrReader(strings.NewReader("end")))
		if n != 3 || err != nil {
			t.Fatal(n, err)
		}
		var out bytes.Buffer
		for range 2 { // WriteTo takes nothing away
			out.Reset()
			n, err = b.WriteTo(&out)
			if n != int64(len(text))+10 || err != nil || out.String() != "first !"+text+"end" {
				t.Fatalf("WriteTo: %d, %v", n, err)
			}
		}
	})
	b := z.NewBuffer(0)
	defer b.Release()
	b.WriteString("ab")
	fails := errors.New("fails")
	r := io.MultiReader(strings.NewReader("cd"), iotest.ErrReader(fails))
	if n, err := b.ReadFrom(r); n != 2 || err != fails {
		t.Errorf("ReadFrom: %d, %v", n, err)
	}
	if string(b.Bytes()) != "abcd" {
		t.Errorf("%q", b.Bytes())
	}
	if n, err := b.WriteTo(shortWriter{}); n != 1 || err != io.ErrShortWrite {
		t.Errorf("WriteTo: %d, %v", n, err)
	}
	wantPanic(t, func() { b.ReadFrom(badReader(-1)) }, "badReader.Read returned -1")
	wantPanic(t, func() { b.ReadFrom(badReader(1 << 20)) }, "badReader.Read returned 1048576")
}

type shortWriter struct{}

func (shortWriter) Write([]byte) (int, error) { return 1, nil }

type badReader int

func (r badReader) Read([]byte) (int, error) { return int(r), nil }

// Offsets beyond 2^31 and 2^32; only the pages that are written exist.
func TestBuffer_LargeOffsets(t *testing.T) {
	before := liveNow()
	b := z.NewBuffer(0)
	var marks []int
	for b.LenWithPadding() < 5<<30 {
		off := b.AllocateOffset(1<<28 + 1)
		marks = append(marks, off, off+1<<28)
		b.Data(off)[0] = byte(off >> 24)
		b.Data(off + 1<<28)[0] = byte(off >> 20)
		if off < 1<<32 && off+1<<28 >= 1<<32 { // grown across 2^32: all is where it was
			for i, at := range marks {
				if shift := []int{24, 20}[i%2]; b.Data(at)[0] != byte(marks[i&^1]>>shift) {
					t.Fatalf("offset %d: %d", at, b.Data(at)[0])
				}
			}
		}
	}
	start := b.LenWithPadding()
	b.WriteSlice([]byte("far"))
	b.SliceAllocate(0)
	if record, next := b.Slice(start); string(record) != "far" || next != start+11 {
		t.Errorf("%q, %d", record, next)
	}
	for i, at := range marks {
		if shift := []int{24, 20}[i%2]; b.Data(at)[0] != byte(marks[i&^1]>>shift) {
			t.Fatalf("offset %d: %d", at, b.Data(at)[0])
		}
	}
	b.Release()
	wantLive(t, before)

	b = z.NewBuffer(1<<32 + 100) // one record beyond 4 GiB
	defer b.Release()
	b.SliceAllocate(1<<32 + 1)[1<<32] = 7
	record, next := b.Slice(8)
	if len(record) != 1<<32+1 || record[1<<32] != 7 || next != -1 {
		t.Errorf("%d bytes, next %d", len(record), next)
	}
}

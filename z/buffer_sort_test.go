package z_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

// A way to sort, and what it has to come to by the library.
type bufferSort struct {
	name    string
	sort    func(b *z.Buffer) error
	between func(b *z.Buffer, start, end int) error
	compare func(l, r []byte) int
}

func bySecondByte(l, r []byte) int { return cmp.Compare(l[1], r[1]) }

func lessBySecondByte(l, r []byte) bool { return l[1] < r[1] }

// keyAt is the integer of 8 bytes at byte 1 of a record.
func keyAt(r []byte) uint64 { return binary.NativeEndian.Uint64(r[1:]) }

var bufferSorts = []bufferSort{
	{
		"SortSlice",
		func(b *z.Buffer) error { b.SortSlice(lessBySecondByte); return nil },
		func(b *z.Buffer, start, end int) error { b.SortSliceBetween(start, end, lessBySecondByte); return nil },
		bySecondByte,
	},
	{
		"SortSliceParallel",
		func(b *z.Buffer) error { b.SortSliceParallel(lessBySecondByte); return nil },
		func(b *z.Buffer, start, end int) error {
			b.SortSliceParallelBetween(start, end, lessBySecondByte)
			return nil
		},
		bySecondByte,
	},
	{
		"SortBytes", (*z.Buffer).SortBytes, (*z.Buffer).SortBytesBetween, bytes.Compare,
	},
	{
		"SortUint64",
		func(b *z.Buffer) error { return b.SortUint64(1) },
		func(b *z.Buffer, start, end int) error { return b.SortUint64Between(start, end, 1) },
		func(l, r []byte) int { return cmp.Compare(keyAt(l), keyAt(r)) },
	},
	{
		"SortInt64",
		func(b *z.Buffer) error { return b.SortInt64(1) },
		func(b *z.Buffer, start, end int) error { return b.SortInt64Between(start, end, 1) },
		func(l, r []byte) int { return cmp.Compare(int64(keyAt(l)), int64(keyAt(r))) },
	},
}

// sortable is n records of 9 to 40 bytes, of which many are equal but for their last bytes.
func sortable(n int) [][]byte {
	rnd := rand.New(rand.NewPCG(7, uint64(n)))
	records := make([][]byte, n)
	for i := range records {
		r := make([]byte, 9+rnd.IntN(32))
		for j := range r {
			r[j] = byte(rnd.IntN(2)) * 0xff
		}
		records[i] = r
	}
	return records
}

func TestBuffer_Sorts(t *testing.T) {
	for _, s := range bufferSorts {
		t.Run(s.name, func(t *testing.T) {
			inEachMode(t, func(t *testing.T, b *z.Buffer) {
				for _, n := range []int{0, 1, 2, 100, 17_000} {
					b.Reset()
					records := sortable(n)
					for _, r := range records {
						b.WriteSlice(r)
					}
					offsets := b.SliceOffsets()
					if n == 100 { // all but the first and the last ten
						if err := s.between(b, offsets[10], offsets[90]); err != nil {
							t.Fatal(err)
						}
						slices.SortStableFunc(records[10:90], s.compare)
						wantRecords(t, b, records, b.SliceOffsets())
						if err := s.between(b, offsets[0], offsets[0]); err != nil {
							t.Fatal(err)
						}
					}
					if err := s.sort(b); err != nil {
						t.Fatal(err)
					}
					slices.SortStableFunc(records, s.compare)
					wantRecords(t, b, records, b.SliceOffsets())
				}
			})
		})
	}
}

func TestBuffer_SortOfAView(t *testing.T) {
	b := z.NewBuffer(0)
	defer func() { _ = b.Release() }()
	records := sortable(50)
	for _, r := range records {
		b.WriteSlice(r)
	}
	view := z.NewBufferSlice(bytes.Clone(b.Bytes()))
	defer func() { _ = view.Release() }()
	start := liveNow()
	if err := view.SortBytes(); err != nil {
		t.Fatal(err)
	}
	wantLive(t, start)
	slices.SortStableFunc(records, bytes.Compare)
	wantRecords(t, view, records, view.SliceOffsets())
}

// What cannot be sorted is an error, or a panic with it, and stays as it was.
func TestBuffer_SortErrors(t *testing.T) {
	inEachMode(t, func(t *testing.T, b *z.Buffer) {
		for i := range 100 {
			b.WriteSlice(fmt.Appendf(nil, "record %03d", 99-i))
		}
		offsets := b.SliceOffsets()
		short := b.LenWithPadding()
		b.WriteSlice([]byte("short"))
		end := b.LenWithPadding()
		before := bytes.Clone(b.Bytes())
		wantError := func(err error, texts ...string) {
			t.Helper()
			if !errors.Is(err, z.ErrNoRecord) {
				t.Fatalf("error %v", err)
			}
			for _, text := range texts {
				if !bytes.Contains([]byte(err.Error()), []byte(text)) {
					t.Fatalf("error %v lacks %q", err, text)
				}
			}
			if !bytes.Equal(b.Bytes(), before) {
				t.Fatalf("the Buffer changed: %v", err)
			}
		}
		wantError(b.SortUint64(0), "z: Buffer.SortUint64", fmt.Sprintf("offset %d", short))
		wantError(b.SortInt64(3), "z: Buffer.SortInt64", fmt.Sprintf("offset %d", offsets[0]))
		wantError(b.SortBytesBetween(offsets[3]+1, end), "z: Buffer.SortBytesBetween", fmt.Sprintf("offset %d", offsets[3]+1))
		wantError(b.SortBytesBetween(offsets[3], end-1), fmt.Sprintf("offset %d", short))
		wantError(b.SortBytesBetween(0, end), "from 0 to")
		wantError(b.SortBytesBetween(offsets[0], end+1))
		wantError(b.SortBytesBetween(offsets[4], offsets[3]))
		wantError(b.SortUint64Between(-8, offsets[3], 0))
		for _, f := range []func(){
			func() { b.SortSliceBetween(offsets[3], end-1, lessBySecondByte) },
			func() { b.SortSliceParallelBetween(0, end, lessBySecondByte) },
		} {
			err, _ := panicOf(f).(error)
			wantError(err, "z: Buffer.SortSlice")
		}
		wantPanic(t, func() { _ = b.SortUint64(-1) }, "z: Buffer.SortUint64: negative offset -1")
		if err := b.SortUint64Between(offsets[0], short, 2); err != nil { // the short one left out
			t.Fatal(err)
		}
	})
}

// A panic in less reaches the caller, and all is given back.
func TestBuffer_SortLessPanics(t *testing.T) {
	inEachMode(t, func(t *testing.T, b *z.Buffer) {
		records := sortable(20_000)
		for _, r := range records {
			b.WriteSlice(r)
		}
		start := liveNow()
		var calls atomic.Int64
		if got := panicOf(func() {
			b.SortSliceParallel(func(l, r []byte) bool {
				if calls.Add(1) == 70_000 {
					panic("enough")
				}
				return lessBySecondByte(l, r)
			})
		}); got != "enough" {
			t.Fatalf("panic %v after %d calls", got, calls.Load())
		}
		wantLive(t, start)
		if err := b.SortBytes(); err != nil {
			t.Fatal(err)
		}
		slices.SortStableFunc(records, bytes.Compare)
		wantRecords(t, b, records, b.SliceOffsets())
	})
}

// Sorting takes half as much again, and 64 MiB, at most: seen from less, while it goes on.
func TestBuffer_SortMemory(t *testing.T) {
	b := z.NewBuffer(200 << 20)
	defer func() { _ = b.Release() }()
	for i := range 100 {
		b.SliceAllocate(2 << 20)[1] = byte(31 * i)
	}
	for i := range uint64(100_000) {
		binary.NativeEndian.PutUint64(b.SliceAllocate(16), i*i)
	}
	start := z.NumAllocBytes()
	var most int64
	b.SortSlice(func(l, r []byte) bool {
		most = max(most, z.NumAllocBytes()-start)
		return lessBySecondByte(l, r)
	})
	runtime.KeepAlive(b)
	t.Logf("sorting %d MiB took %d MiB", b.LenNoPadding()>>20, most>>20)
	if bound := int64(b.LenNoPadding())/2 + 64<<20; most > bound || most == 0 {
		t.Errorf("sorting took %d bytes, the bound is %d", most, bound)
	}
}

// With no room for the temporary file, sorting fails and the Buffer stays as it was.
func TestBuffer_SortWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	b, err := z.NewBufferTmp(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Release() }()
	for _, r := range sortable(1000) {
		b.WriteSlice(r)
	}
	before := bytes.Clone(b.Bytes())
	if err := syscall.Rmdir(dir); err != nil {
		t.Fatal(err)
	}
	if err := b.SortBytes(); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("error %v", err)
	}
	err, _ = panicOf(func() { b.SortSlice(lessBySecondByte) }).(error)
	if !errors.Is(err, syscall.ENOENT) {
		t.Errorf("panic %v", err)
	}
	if !bytes.Equal(b.Bytes(), before) {
		t.Error("the Buffer changed")
	}
}

func TestBuffer_SortAfterRelease(t *testing.T) {
	b := z.NewBuffer(0)
	if err := b.Release(); err != nil {
		t.Fatal(err)
	}
	wantPanic(t, func() { _ = b.SortBytes() }, "use after Release")
	wantPanic(t, func() { b.SortSlice(lessBySecondByte) }, "use after Release")
}

func ExampleBuffer_SortBytes() {
	b := z.NewBuffer(1 << 10)
	defer func() { _ = b.Release() }()
	for _, word := range []string{"pear", "fig", "", "apple", "figs"} {
		b.WriteSlice([]byte(word))
	}
	if err := b.SortBytes(); err != nil {
		panic(err)
	}
	for record := range b.Records() {
		fmt.Printf("%q ", record)
	}
	// Output: "" "apple" "fig" "figs" "pear"
}

func ExampleBuffer_SortSlice() {
	b := z.NewBuffer(1 << 10)
	defer func() { _ = b.Release() }()
	for _, word := range []string{"pear", "fig", "apple"} {
		b.WriteSlice([]byte(word))
	}
	b.SortSlice(func(l, r []byte) bool { return len(l) < len(r) })
	for record := range b.Records() {
		fmt.Printf("%s ", record)
	}
	// Output: fig pear apple
}

// An empty record that ends with the memory would have what lies behind that as its address, and the
// collector look there.
func TestBuffer_SortSliceNeverPointsBehindTheMemory(t *testing.T) {
	for n := range 30 {
		full := z.NewBuffer(64 + 16*n)
		for room := len(full.Data(full.LenWithPadding())); room >= 8; room = len(full.Data(full.LenWithPadding())) {
			full.SliceAllocate(min(room-8, room/8%2*8))
		}
		bytesOf := bytes.Clone(full.Bytes())
		view := z.NewBufferSlice(bytesOf[:len(bytesOf):len(bytesOf)])
		if full.LenWithPadding() != len(full.Data(0)) {
			t.Fatalf("%d of %d bytes", full.LenWithPadding(), len(full.Data(0)))
		}
		for name, b := range map[string]*z.Buffer{"full": full, "view": view} {
			end := uintptr(unsafe.Pointer(unsafe.SliceData(b.Data(0)))) + uintptr(len(b.Data(0)))
			before := len(slices.Collect(b.Records()))
			b.SortSlice(func(l, r []byte) bool {
				for _, s := range [][]byte{l, r} {
					if uintptr(unsafe.Pointer(unsafe.SliceData(s))) == end {
						t.Fatalf("%s, %d records: one of them at its end", name, before)
					}
				}
				return len(l) > len(r)
			})
			after := slices.Collect(b.Records())
			if len(after) != before || !slices.IsSortedFunc(after, func(l, r []byte) int { return len(r) - len(l) }) {
				t.Errorf("%s: %d of %d records, or not sorted", name, len(after), before)
			}
		}
		if err := full.Release(); err != nil {
			t.Error(err)
		}
	}
}

// More than one chunk of Go memory, over which the race detector watches.
func TestBuffer_SortSliceOfGoMemory(t *testing.T) {
	var data []byte
	for i := range uint64(40_000) {
		data = binary.LittleEndian.AppendUint64(data, 8)
		data = binary.BigEndian.AppendUint64(data, i*7919%40_009)
	}
	view := z.NewBufferSlice(data)
	view.SortSlice(func(l, r []byte) bool { return bytes.Compare(l, r) < 0 })
	if n := len(slices.Collect(view.Records())); n != 40_000 || !slices.IsSortedFunc(slices.Collect(view.Records()), bytes.Compare) {
		t.Errorf("%d records, or not sorted", n)
	}
}

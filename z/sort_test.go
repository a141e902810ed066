package z

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
	"testing"

	"github.com/zmem-go/zmem/c"
)

// framed puts records one after the other, each with its length in front.
func framed(records [][]byte) []byte {
	var out []byte
	for _, r := range records {
		out = append(binary.LittleEndian.AppendUint64(out, uint64(len(r))), r...)
	}
	return out
}

// unframed is the reverse.
func unframed(t testing.TB, data []byte) [][]byte {
	t.Helper()
	var records [][]byte
	for len(data) > 0 {
		n := binary.LittleEndian.Uint64(data)
		if n > uint64(len(data)-8) {
			t.Fatalf("a record of %d bytes, %d are left", n, len(data)-8)
		}
		records = append(records, data[8:8+n])
		data = data[8+n:]
	}
	return records
}

// withSort runs sort with a manual copy of records and scratch memory, behind both of which nothing
// may be written, and returns what became of the records.
func withSort(t testing.TB, records []byte, nscratch int, sort func(data, scratch []byte)) []byte {
	t.Helper()
	guarded := func(n int) []byte {
		b := Calloc(n + 64)
		for i := range b[n:] {
			b[n+i] = 0xa5
		}
		return b
	}
	data, scratch := guarded(len(records)), guarded(nscratch)
	defer Free(data)
	defer Free(scratch)
	copy(data, records)
	sort(data[:len(records):len(records)], scratch[:nscratch:nscratch])
	guard := bytes.Repeat([]byte{0xa5}, 64)
	if !bytes.Equal(data[len(records):], guard) || !bytes.Equal(scratch[nscratch:], guard) {
		t.Fatal("wrote behind the records or the scratch memory")
	}
	return bytes.Clone(data[:len(records)])
}

// key is a way to sort, in Go and in C.
type key struct {
	name    string
	key     c.SortKey
	off     int
	compare func(a, b []byte) int
}

func keysAt(off int) []key {
	return []key{
		{"bytes", c.SortBytes, 0, bytes.Compare},
		{"uint64", c.SortUint64, off, func(a, b []byte) int {
			return cmp.Compare(binary.NativeEndian.Uint64(a[off:]), binary.NativeEndian.Uint64(b[off:]))
		}},
		{"int64", c.SortInt64, off, func(a, b []byte) int {
			return cmp.Compare(int64(binary.NativeEndian.Uint64(a[off:])),
				int64(binary.NativeEndian.Uint64(b[off:])))
		}},
	}
}

// checkSorts sorts records in every way by every key that they have, and compares with the library.
func checkSorts(t testing.TB, records [][]byte, off int) {
	t.Helper()
	in := framed(records)
	keys := keysAt(off)
	if slices.ContainsFunc(records, func(r []byte) bool { return len(r) < off+8 }) {
		keys = keys[:1]
	}
	for _, k := range keys {
		sorted := slices.Clone(records)
		slices.SortStableFunc(sorted, k.compare)
		want := framed(sorted)
		check := func(how string, got []byte) {
			t.Helper()
			if !bytes.Equal(got, want) {
				t.Fatalf("%d records in %d bytes by %s at %d, %s: not as slices.SortStableFunc",
					len(records), len(in), k.name, k.off, how)
			}
		}
		check("in C", withSort(t, in, int(c.SortScratch(uintptr(len(in)))), func(data, scratch []byte) {
			if err := sortKeys(data, scratch, k.key, k.off, 0, new(sortWatch)); err != nil {
				t.Fatal(err)
			}
		}))
		for _, workers := range []int{1, 3} {
			less := func(l, r []byte) bool {
				if cap(l) != len(l) || cap(r) != len(r) {
					t.Errorf("records of %d and %d bytes have capacity %d and %d", len(l), len(r), cap(l), cap(r))
				}
				return k.compare(l, r) < 0
			}
			check(fmt.Sprintf("by %d workers", workers), withSort(t, in, sortScratch(len(in), workers),
				func(data, scratch []byte) {
					if err := sortRecords(data, scratch, less, workers, new(sortWatch)); err != nil {
						t.Fatal(err)
					}
				}))
		}
	}
}

// recordsOf makes n records of lo to hi bytes; fill writes into one of them.
func recordsOf(rnd *rand.Rand, n, lo, hi int, fill func(i int, b []byte)) [][]byte {
	records := make([][]byte, n)
	for i := range records {
		records[i] = make([]byte, lo+rnd.IntN(hi-lo+1))
		fill(i, records[i])
	}
	return records
}

func randomly(rnd *rand.Rand) func(i int, b []byte) {
	return func(_ int, b []byte) {
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
	}
}

func TestSort_AsTheLibrary(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random := randomly(rnd)
	patterns := map[string]func(n int) func(i int, b []byte){
		"random": func(int) func(int, []byte) { return random },
		"few values": func(int) func(int, []byte) {
			return func(i int, b []byte) {
				random(i, b)
				for j := range min(8, len(b)) {
					b[j] = byte(i % 3)
				}
			}
		},
		"equal":  func(int) func(int, []byte) { return func(int, []byte) {} },
		"sorted": func(int) func(int, []byte) { return bigEndian },
		"reversed": func(n int) func(int, []byte) {
			return func(i int, b []byte) { bigEndian(n-i, b) }
		},
	}
	for name, pattern := range patterns {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{0, 1, 2, 3, 5, 6, 7, 12, 13, 24, 25, 100, 1000, 2*chunkRecords + 9} {
				for i, size := range [][2]int{{8, 8}, {0, 20}, {0, 0}, {8, 39}, {24, 24}} {
					if n > chunkRecords && i >= 2 {
						break // enough for the race detector to take its time with
					}
					checkSorts(t, recordsOf(rnd, n, size[0], size[1], pattern(n)), max(0, size[0]-8))
				}
			}
		})
	}
	t.Run("giants", func(t *testing.T) {
		for giant := range 6 {
			records := recordsOf(rnd, 3000, 8, 200, random)
			records[giant*len(records)/6] = make([]byte, 3<<20)
			if giant%2 == 0 {
				records[0] = bytes.Repeat([]byte{byte(40 * giant)}, 2<<20)
			}
			checkSorts(t, records, 0)
			checkSorts(t, records[:1+giant*len(records)/6], 0)
		}
	})
	t.Run("uneven", func(t *testing.T) {
		records := recordsOf(rnd, 8000, 150, 250, random)
		records = append(records, recordsOf(rnd, 20000, 0, 2, random)...)
		records = append(records, recordsOf(rnd, 4000, 150, 250, random)...)
		checkSorts(t, records, 0)
	})
}

// bigEndian writes i, or the first bytes of it.
func bigEndian(i int, b []byte) {
	var word [8]byte
	binary.BigEndian.PutUint64(word[:], uint64(i))
	copy(b, word[:])
}

func FuzzSort(f *testing.F) {
	f.Add(uint64(1), []byte("\x00\x01\x02\x08\x09\xff"), uint8(3), false)
	f.Add(uint64(2), bytes.Repeat([]byte{8}, 100), uint8(0), true)
	f.Fuzz(func(t *testing.T, seed uint64, sizes []byte, off uint8, ties bool) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		records := make([][]byte, 0, len(sizes))
		for _, n := range sizes {
			b := make([]byte, n)
			for i := range b {
				if b[i] = byte(rnd.Uint32()); ties {
					b[i] %= 2
				}
			}
			records = append(records, b)
		}
		checkSorts(t, records, int(off)%16)
	})
}

// sameRecords fails the test unless got has the records of want, in any order.
func sameRecords(t *testing.T, got, want []byte) {
	t.Helper()
	a, b := unframed(t, got), unframed(t, want)
	slices.SortFunc(a, bytes.Compare)
	slices.SortFunc(b, bytes.Compare)
	if !slices.EqualFunc(a, b, bytes.Equal) {
		t.Fatalf("%d records became %d others", len(b), len(a))
	}
}

// Whatever less says, all records are there afterwards.
func TestSort_InconsistentLess(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	in := framed(recordsOf(rnd, 3*chunkRecords, 0, 20, randomly(rnd)))
	var calls atomic.Int64
	for name, less := range map[string]LessFunc{
		"always": func(l, r []byte) bool { return true },
		"never":  func(l, r []byte) bool { return false },
		"random": func(l, r []byte) bool { return calls.Add(1)*0x9e3779b9>>13&1 == 0 },
	} {
		for workers := 1; workers <= 3; workers += 2 {
			t.Run(fmt.Sprint(name, workers), func(t *testing.T) {
				sameRecords(t, withSort(t, in, sortScratch(len(in), workers), func(data, scratch []byte) {
					if err := sortRecords(data, scratch, less, workers, new(sortWatch)); err != nil {
						t.Fatal(err)
					}
				}), in)
			})
		}
	}
}

// A panic in less, or the end of its goroutine, reaches who sorts; all records are still there.
func TestSort_PanicInLess(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	records := recordsOf(rnd, 3*chunkRecords, 0, 12, randomly(rnd))
	records[99] = make([]byte, 2<<20)
	in := framed(records)
	total := 0
	withSort(t, in, sortScratch(len(in), 1), func(data, scratch []byte) {
		_ = sortRecords(data, scratch, func(l, r []byte) bool { total++; return bytes.Compare(l, r) < 0 }, 1, new(sortWatch))
	})
	for workers := 1; workers <= 3; workers += 2 {
		for i := range 8 {
			goexit := i%4 == 3
			last := int64(total) * int64(i) / 8
			var calls atomic.Int64
			less := func(l, r []byte) bool {
				if calls.Add(1) > last {
					if goexit {
						runtime.Goexit()
					}
					panic("less")
				}
				return bytes.Compare(l, r) < 0
			}
			sameRecords(t, withSort(t, in, sortScratch(len(in), workers), func(data, scratch []byte) {
				ended, returned := make(chan any), false
				go func() {
					defer func() { ended <- recover() }()
					_ = sortRecords(data, scratch, less, workers, new(sortWatch))
					returned = true
				}()
				want := any("less")
				if goexit {
					want = nil
				}
				if v := <-ended; v != want || returned {
					t.Errorf("%d workers, call %d: ended with %v, returned %v", workers, last, v, returned)
				}
			}), in)
		}
	}
}

// Records that are wrong are an error that says where, and nothing is changed.
func TestSort_BadRecords(t *testing.T) {
	good := framed([][]byte{[]byte("long enough"), []byte("short"), []byte("and another")})
	for _, test := range []struct {
		data []byte
		want string
	}{
		{good[:len(good)-1], "no record at offset 32: 11 bytes, of which 10 are there"},
		{good[:35], "no record at offset 32: only 3 bytes"},
		{slices.Concat(good[:19], bytes.Repeat([]byte{255}, 8)),
			"no record at offset 19: 18446744073709551615 bytes, of which 0 are there"},
	} {
		for _, sort := range []func(data, scratch []byte) error{
			func(data, scratch []byte) error { return sortKeys(data, scratch, c.SortBytes, 0, 0, new(sortWatch)) },
			func(data, scratch []byte) error { return sortRecords(data, scratch, byUint64, 1, new(sortWatch)) },
		} {
			got := withSort(t, test.data, 1<<14, func(data, scratch []byte) {
				if err := sort(data, scratch); err == nil || err.Error() != test.want {
					t.Errorf("error %v, want %s", err, test.want)
				}
			})
			if !bytes.Equal(got, test.data) {
				t.Error("the records were changed")
			}
		}
	}
	got := withSort(t, good, 1<<14, func(data, scratch []byte) {
		err := sortKeys(data, scratch, c.SortInt64, 1, 0, new(sortWatch))
		if want := "no record at offset 19: its 5 bytes have no 8 at 1"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		if err := sortKeys(data, scratch[:9], c.SortBytes, 0, 0, new(sortWatch)); !errors.Is(err, c.EINVAL) {
			t.Errorf("error %v, want one that is %v", err, c.EINVAL)
		}
	})
	if !bytes.Equal(got, good) {
		t.Error("the records were changed")
	}
}

func TestSort_ScratchIsBounded(t *testing.T) {
	for n := 0; n < MaxArrayLen/2; n += 1 + n/5 {
		for _, workers := range []int{1, 2, 64, 1000} {
			if got := sortScratch(n, workers); got > n/2+64<<20 {
				t.Fatalf("%d bytes for %d, %d workers", got, n, workers)
			}
		}
	}
}

func byUint64(l, r []byte) bool {
	return binary.LittleEndian.Uint64(l) < binary.LittleEndian.Uint64(r)
}

func BenchmarkSort(b *testing.B) {
	const records = 5_000_000
	for _, size := range []struct {
		name   string
		lo, hi int
	}{{"8", 8, 8}, {"8-39", 8, 39}} {
		rnd := rand.New(rand.NewPCG(1, 2))
		n := 0
		unsorted := Calloc(records * (8 + size.hi))
		for range records {
			m := size.lo + rnd.IntN(size.hi-size.lo+1)
			binary.LittleEndian.PutUint64(unsorted[n:], uint64(m))
			for i := 0; i < m; i += 8 {
				var word [8]byte
				binary.LittleEndian.PutUint64(word[:], rnd.Uint64())
				copy(unsorted[n+8+i:n+8+m], word[:])
			}
			n += 8 + m
		}
		data := Calloc(n)
		for _, sort := range []struct {
			name    string
			scratch int
			f       func(scratch []byte) error
		}{
			{"bytes", int(c.SortScratch(uintptr(n))), func(scratch []byte) error { return sortKeys(data, scratch, c.SortBytes, 0, 0, new(sortWatch)) }},
			{"uint64", int(c.SortScratch(uintptr(n))), func(scratch []byte) error { return sortKeys(data, scratch, c.SortUint64, 0, 0, new(sortWatch)) }},
			{"less", sortScratch(n, 1), func(scratch []byte) error { return sortRecords(data, scratch, byUint64, 1, new(sortWatch)) }},
			{"less-parallel", sortScratch(n, 2), func(scratch []byte) error { return sortRecords(data, scratch, byUint64, 2, new(sortWatch)) }},
		} {
			b.Run(fmt.Sprintf("impl=%s/records=5M/size=%s", sort.name, size.name), func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					b.StopTimer()
					copy(data, unsorted[:n])
					b.StartTimer()
					scratch := Calloc(sort.scratch)
					if err := sort.f(scratch); err != nil {
						b.Fatal(err)
					}
					Free(scratch)
				}
			})
		}
		Free(data)
		Free(unsorted)
	}
}

// The last record, of any size, goes behind those that it equals.
func TestInsertLast(t *testing.T) {
	less := func(l, r []byte) bool { return len(l) < len(r) }
	for _, size := range []int{0, 1, 2, 3, 5, 100, 5000} {
		records := [][]byte{{}, {1}, {2}, {3, 3}, {4, 4}, {5, 5, 5}, bytes.Repeat([]byte{6}, 99)}
		last := bytes.Repeat([]byte{0xff}, size)
		in := framed(append(slices.Clone(records), last))
		want := slices.Clone(append(records, last))
		slices.SortStableFunc(want, func(l, r []byte) int { return len(l) - len(r) })
		got := withSort(t, in, len(in)/2+8, func(data, scratch []byte) {
			insertLast(data, scratch, len(in)-frame-size, less, new(sortWatch))
		})
		if !bytes.Equal(got, framed(want)) {
			t.Errorf("a last record of %d bytes: %v", size, unframed(t, got))
		}
	}
}

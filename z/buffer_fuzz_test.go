package z_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// FuzzBuffer appends, reserves and resets as its input says, and compares the Buffer with a
// bytes.Buffer; and records with a [][]byte. The first byte chooses the kind of memory, then each
// pair is an operation and a size; large sizes cross the points where the memory changes.
func FuzzBuffer(f *testing.F) {
	for mode := range bufferModes {
		f.Add([]byte{byte(mode), 0, 10, 1, 200, 2, 255, 3, 90, 4, 128, 5, 5, 7, 0, 0, 255})
		f.Add([]byte{byte(mode), 0, 255, 0, 255, 2, 254, 1, 253, 6, 0, 0, 3})
		f.Add([]byte{byte(mode) | 128, 0, 10, 1, 0, 0, 255, 1, 255, 0, 0, 6, 1, 7, 0, 1, 254})
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 || len(in) > 200 {
			return
		}
		mode := bufferModes[int(in[0]&127)%len(bufferModes)]
		b := mode.make(t)
		defer b.Release()
		if in[0]&128 == 0 {
			fuzzBytes(t, b, in[1:])
		} else {
			fuzzRecords(t, b, in[1:])
		}
	})
}

// fuzzSize spreads a byte over sizes up to 2 MiB and a bit.
func fuzzSize(v byte) int { return 5 * int(v&15) << (v >> 4) }

func fuzzBytes(t *testing.T, b *z.Buffer, in []byte) {
	var want bytes.Buffer
	for i := 0; i+1 < len(in) && want.Len() < 8<<20; i += 2 {
		n := fuzzSize(in[i+1])
		p := bytes.Repeat([]byte{byte(i + 1)}, n)
		switch in[i] % 8 {
		case 0:
			if got, err := b.Write(p); got != n || err != nil {
				t.Fatal(got, err)
			}
		case 1:
			copy(b.Allocate(n), p)
		case 2:
			copy(b.Data(b.AllocateOffset(n)), p)
		case 3:
			b.WriteString(string(p))
		case 4:
			b.ReadFrom(bytes.NewReader(p))
		case 5:
			b.WriteByte(byte(n))
			p = []byte{byte(n)}
		case 6:
			b.Grow(n)
			p = nil
		case 7:
			b.Reset()
			want.Reset()
			p = nil
		}
		want.Write(p)
		if b.LenNoPadding() != want.Len() {
			t.Fatalf("%d bytes, want %d", b.LenNoPadding(), want.Len())
		}
	}
	if !bytes.Equal(b.Bytes(), want.Bytes()) {
		t.Fatal("the bytes differ")
	}
	var out strings.Builder
	if n, err := b.WriteTo(&out); n != int64(want.Len()) || err != nil || out.String() != want.String() {
		t.Fatalf("WriteTo: %d, %v", n, err)
	}
}

func fuzzRecords(t *testing.T, b *z.Buffer, in []byte) {
	var want [][]byte
	var offsets []int
	for i := 0; i+1 < len(in) && b.LenNoPadding() < 8<<20; i += 2 {
		n := fuzzSize(in[i+1])
		record := bytes.Repeat([]byte{byte(i + 1)}, n)
		off := b.LenWithPadding()
		switch in[i] % 8 {
		case 0, 2, 4:
			b.WriteSlice(record)
		case 1, 3, 5:
			copy(b.SliceAllocate(n), record)
		case 6:
			b.Grow(n)
			continue
		case 7:
			b.Reset()
			want, offsets = nil, nil
			continue
		}
		want, offsets = append(want, record), append(offsets, off)
	}
	wantRecords(t, b, want, offsets)
	view := z.NewBufferSlice(b.Bytes())
	for i := range offsets {
		offsets[i] -= 8
	}
	wantRecords(t, view, want, offsets)
}

// Each sort does what the library does with the records on the Go heap, in each kind of memory. The
// first byte says how often the records are repeated, so that some inputs are large.
func FuzzBuffer_Sorts(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte("\x01\x09aaaaaaaab\x09aaaaaaaaa\x20"))
	f.Add(bytes.Repeat([]byte{200, 12, 255, 3, 0, 40, 9}, 30))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 {
			return
		}
		var records [][]byte
		for rest := in[1:]; len(rest) > 0; {
			r := make([]byte, 9+rest[0]%32) // room for a key at byte 1
			n := copy(r, rest[1:])
			records = append(records, r)
			rest = rest[1+n:]
		}
		records = slices.Repeat(records, min(int(in[0]), 1+100_000/(1+len(records))))
		for _, mode := range bufferModes {
			for _, s := range bufferSorts {
				b := mode.make(t)
				for _, r := range records {
					b.WriteSlice(r)
				}
				if err := s.sort(b); err != nil {
					t.Fatal(err)
				}
				want := slices.Clone(records)
				slices.SortStableFunc(want, s.compare)
				if !slices.EqualFunc(slices.Collect(b.Records()), want, bytes.Equal) {
					t.Errorf("%s, %s: %d records differ from those sorted by the library", mode.name, s.name, len(want))
				}
				if err := b.Release(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

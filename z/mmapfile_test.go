//go:build unix

package z_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/zmem-go/zmem/z"
)

// fileWith makes a file of these bytes and returns its name.
func fileWith(t testing.TB, contents string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(contents), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func openMmapFile(t testing.TB, name string, flag, size int, want error) *z.MmapFile {
	t.Helper()
	m, err := z.OpenMmapFile(name, flag, size)
	if err != want {
		t.Fatalf("error %v, want %v", err, want)
	}
	t.Cleanup(func() { m.Close(-1) })
	return m
}

func newMmapFile(t testing.TB, size int) *z.MmapFile {
	t.Helper()
	return openMmapFile(t, filepath.Join(t.TempDir(), "new"), os.O_RDWR|os.O_CREATE, size, z.NewFile)
}

// wantError fails the test unless err is target and says all of words.
func wantError(t testing.TB, err, target error, words ...string) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error %v, want one that is %v", err, target)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Fatalf("error %q lacks %q", err, w)
		}
	}
}

// wantFile fails the test unless the file holds these bytes.
func wantFile(t testing.TB, name, contents string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != contents {
		t.Fatalf("the file holds %d bytes that begin with %.40q, want %d that begin with %.40q",
			len(got), got, len(contents), contents)
	}
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMmapFile_New(t *testing.T) {
	m := newMmapFile(t, 10000)
	if len(m.Data) != 10000 || cap(m.Data) != 10000 || !isZero(m.Data) {
		t.Fatalf("a new file's Data has len %d, cap %d, zero %v", len(m.Data), cap(m.Data), isZero(m.Data))
	}
	copy(m.Data, "hello")
	noError(t, m.Sync())
	noError(t, m.Close(-1))
	if m.Data != nil {
		t.Error("Data after Close")
	}
	wantFile(t, m.Fd.Name(), "hello"+strings.Repeat("\x00", 9995))
}

func TestMmapFile_ExistingKeepsItsLength(t *testing.T) {
	for _, size := range []int{-1, 0, 3, 100000} {
		m := openMmapFile(t, fileWith(t, "hello"), os.O_RDWR, size, nil)
		if string(m.Data) != "hello" || cap(m.Data) != 5 {
			t.Fatalf("size %d: Data is %q, cap %d", size, m.Data, cap(m.Data))
		}
		m.Data[0] = 'j'
		noError(t, m.Close(-1))
		wantFile(t, m.Fd.Name(), "jello")
	}
}

func TestMmapFile_ReadOnly(t *testing.T) {
	name := fileWith(t, "hello")
	for _, flag := range []int{os.O_RDONLY, os.O_RDONLY | os.O_CREATE} {
		m := openMmapFile(t, name, flag, 100000, nil)
		if string(m.Data) != "hello" {
			t.Fatalf("Data is %q", m.Data)
		}
		_, _, err := m.AllocateSlice(1, 0)
		wantError(t, err, fs.ErrPermission, "z: MmapFile.AllocateSlice: ", name)
		wantError(t, m.Truncate(3), syscall.EINVAL, "z: MmapFile.Truncate: ftruncate "+name)
		wantError(t, m.Truncate(30), syscall.EBADF, "z: MmapFile.Truncate: ", name)
		if string(m.Data) != "hello" {
			t.Fatalf("Data is %q", m.Data)
		}
		noError(t, m.Sync())
		wantError(t, m.Close(3), syscall.EINVAL, "z: MmapFile.Close: truncate "+name)
		if m.Data != nil || m.Fd.Close() == nil {
			t.Fatal("a Close that failed left mapping or file")
		}
	}
	wantFile(t, name, "hello")
}

// An empty file without a size is no new one, and may grow.
func TestMmapFile_Empty(t *testing.T) {
	for _, size := range []int{0, -1} {
		m := openMmapFile(t, fileWith(t, ""), os.O_RDWR, size, nil)
		if m.Data != nil {
			t.Fatalf("Data has %d bytes", len(m.Data))
		}
		noError(t, m.Sync())
		if b, err := m.Bytes(0, 0); err != nil || len(b) != 0 {
			t.Fatalf("Bytes(0, 0) is %q, %v", b, err)
		}
		b, next, err := m.AllocateSlice(3, 0)
		noError(t, err)
		copy(b, "abc")
		if next != 7 {
			t.Fatalf("next is %d", next)
		}
		noError(t, m.Close(int64(next)))
		wantFile(t, m.Fd.Name(), "\x00\x00\x00\x03abc")
	}
	m := openMmapFile(t, fileWith(t, ""), os.O_RDONLY, 0, nil)
	if m.Data != nil {
		t.Fatalf("Data has %d bytes", len(m.Data))
	}
}

func TestMmapFile_Using(t *testing.T) {
	fd, err := os.OpenFile(fileWith(t, ""), os.O_RDWR, 0)
	noError(t, err)
	m, err := z.OpenMmapFileUsing(fd, 100, true)
	if err != z.NewFile || m.Fd != fd || len(m.Data) != 100 {
		t.Fatalf("error %v", err)
	}
	noError(t, m.Close(-1))
	if err := fd.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("closing once more: %v", err)
	}
}

func TestMmapFile_Truncate(t *testing.T) {
	m := newMmapFile(t, 5)
	copy(m.Data, "hello")
	want := "hello"
	for _, size := range []int{3, 3, 4, 4096, 4095, 4097, 1 << 20, 70000, 1, 0, 0, 9, 0} {
		noError(t, m.Truncate(int64(size)))
		want = (want + strings.Repeat("\x00", max(0, size-len(want))))[:size]
		if string(m.Data) != want || cap(m.Data) != size {
			t.Fatalf("after Truncate(%d) Data has %d bytes, cap %d, that begin with %.20q",
				size, len(m.Data), cap(m.Data), m.Data)
		}
		wantFile(t, m.Fd.Name(), want)
		fill(m.Data, byte(size)|1)
		want = string(m.Data)
	}
	wantPanic(t, func() { m.Truncate(-1) }, "z: MmapFile.Truncate: negative size -1")
}

func TestMmapFile_Bytes(t *testing.T) {
	m := openMmapFile(t, fileWith(t, "0123456789"), os.O_RDWR, 0, nil)
	for off := -2; off < 13; off++ {
		for size := -2; size < 13; size++ {
			b, err := m.Bytes(off, size)
			if off < 0 || size < 0 || off+size > 10 {
				if b != nil || err != io.EOF {
					t.Fatalf("Bytes(%d, %d) is %q, %v", off, size, b, err)
				}
			} else if err != nil || string(b) != "0123456789"[off:off+size] || cap(b) != size {
				t.Fatalf("Bytes(%d, %d) is %q, cap %d, %v", off, size, b, cap(b), err)
			}
		}
	}
	for _, bad := range [][2]int{{math.MaxInt, 1}, {1, math.MaxInt}, {math.MaxInt, math.MaxInt},
		{math.MinInt, 5}, {5, math.MinInt}, {math.MinInt, math.MinInt}} {
		if b, err := m.Bytes(bad[0], bad[1]); b != nil || err != io.EOF {
			t.Fatalf("Bytes(%d, %d) is %q, %v", bad[0], bad[1], b, err)
		}
	}
}

func TestMmapFile_Slices(t *testing.T) {
	m := newMmapFile(t, 1)
	var want []string
	var offsets []int
	next := 3
	for i := range 200 {
		offsets = append(offsets, next)
		b, after, err := m.AllocateSlice(i*i, next)
		noError(t, err)
		if len(b) != i*i || cap(b) != i*i || after != next+4+i*i {
			t.Fatalf("slice of %d at %d: len %d, cap %d, next %d", i*i, next, len(b), cap(b), after)
		}
		fill(b, byte(i))
		want = append(want, string(b))
		next = after
	}
	for i, off := range offsets {
		if b := m.Slice(off); string(b) != want[i] || cap(b) != len(b) {
			t.Fatalf("slice %d has len %d, cap %d, want %d", i, len(b), cap(b), len(want[i]))
		}
	}
	_ = append(m.Slice(offsets[7]), "overwrites nothing"...)
	if string(m.Slice(offsets[8])) != want[8] {
		t.Fatal("an append reached the next slice")
	}
}

// What is no whole slice is none, however large the number in front of it.
func TestMmapFile_SliceOutOfRange(t *testing.T) {
	m := openMmapFile(t, fileWith(t, "\x00\x00\x00\x02abc"), os.O_RDWR, 0, nil)
	if got := m.Slice(0); string(got) != "ab" {
		t.Fatalf("Slice(0) is %q", got)
	}
	for _, off := range []int{-1, math.MinInt, 1, 3, 4, 6, 7, 8, math.MaxInt, math.MaxInt - 3} {
		if got := m.Slice(off); got == nil || len(got) != 0 {
			t.Fatalf("Slice(%d) is %q", off, got)
		}
	}
	for _, n := range []uint32{4, 1 << 31, math.MaxUint32} {
		binary.BigEndian.PutUint32(m.Data, n)
		if got := m.Slice(0); len(got) != 0 {
			t.Fatalf("a slice of %d is %q", n, got)
		}
	}
}

func TestMmapFile_AllocateSliceGrowth(t *testing.T) {
	m := newMmapFile(t, 1000)
	for _, c := range []struct{ size, offset, want int }{
		{0, 0, 1000},
		{996, 0, 1000},        // fits exactly
		{1, 996, 2000},        // doubles
		{5000, 2000, 7004},    // as long as it takes
		{1, 20000, 20005},     // far behind the end
		{0, 20005, 40010},     // the length alone does not fit
		{20001, 20005, 40010}, // fits exactly again
	} {
		if _, _, err := m.AllocateSlice(c.size, c.offset); err != nil || len(m.Data) != c.want {
			t.Fatalf("AllocateSlice(%d, %d): %v, Data has %d bytes, want %d",
				c.size, c.offset, err, len(m.Data), c.want)
		}
	}
	for _, bad := range []func(){
		func() { m.AllocateSlice(-1, 0) },
		func() { m.AllocateSlice(0, -1) },
		func() { m.AllocateSlice(math.MinInt, 0) },
	} {
		wantPanic(t, bad, "z: MmapFile.AllocateSlice: ")
	}
	for _, offset := range []int{math.MaxInt, math.MaxInt - 7, math.MaxInt - 8, z.MaxArrayLen} {
		_, _, err := m.AllocateSlice(4, offset)
		wantError(t, err, syscall.EFBIG, "z: MmapFile.AllocateSlice: truncate "+m.Fd.Name())
	}
	if len(m.Data) != 40010 {
		t.Fatalf("Data has %d bytes", len(m.Data))
	}
}

// Beyond 1 GiB a file grows by no more than that, and beyond 2^31 offsets are still good.
func TestMmapFile_Large(t *testing.T) {
	const size = 1<<30 + 1<<20
	m := newMmapFile(t, size)
	b, _, err := m.AllocateSlice(5, size)
	noError(t, err)
	copy(b, "first")
	if len(m.Data) != size+1<<30 {
		t.Fatalf("Data has %d bytes, want %d", len(m.Data), size+1<<30)
	}
	end := len(m.Data) - 9
	b, next, err := m.AllocateSlice(5, end)
	if err != nil || next != len(m.Data) {
		t.Fatalf("next is %d, %v", next, err)
	}
	copy(b, "last!")
	if string(m.Slice(size)) != "first" || string(m.Slice(end)) != "last!" {
		t.Fatalf("slices are %q and %q", m.Slice(size), m.Slice(end))
	}
	noError(t, m.Delete())
}

func TestMmapFile_NewReader(t *testing.T) {
	m := openMmapFile(t, fileWith(t, "hello, world"), os.O_RDWR, 0, nil)
	noError(t, iotest.TestReader(m.NewReader(7), []byte("world")))
	noError(t, iotest.TestReader(m.NewReader(12), nil))
	noError(t, iotest.TestReader(m.NewReader(math.MaxInt), nil))
	wantPanic(t, func() { m.NewReader(-1) }, "z: MmapFile.NewReader: negative offset -1")

	r := m.NewReader(7)
	var three [3]byte
	if _, err := io.ReadFull(r, three[:]); err != nil || string(three[:]) != "wor" {
		t.Fatalf("read %q, %v", three, err)
	}
	noError(t, m.Truncate(1<<20)) // moves Data
	noError(t, m.Truncate(11))
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "l" {
		t.Fatalf("read %q, %v", rest, err)
	}
	noError(t, m.Close(-1))
	if n, err := r.Read(three[:]); n != 0 || err != io.EOF {
		t.Fatalf("read %d, %v after Close", n, err)
	}
}

func TestMmapFile_Close(t *testing.T) {
	for _, c := range []struct {
		size int64
		want string
	}{{-1, "hello"}, {0, ""}, {3, "hel"}, {5, "hello"}, {7, "hello\x00\x00"}} {
		m := openMmapFile(t, fileWith(t, "hello"), os.O_RDWR, 0, nil)
		noError(t, m.Close(c.size))
		noError(t, m.Close(1))
		wantFile(t, m.Fd.Name(), c.want)
		wantError(t, m.Sync(), fs.ErrClosed, "z: MmapFile.Sync: ", m.Fd.Name())
		wantError(t, m.Truncate(1), fs.ErrClosed, "z: MmapFile.Truncate: ", m.Fd.Name())
		wantError(t, m.Delete(), fs.ErrClosed, "z: MmapFile.Delete: ", m.Fd.Name())
		_, _, err := m.AllocateSlice(1, 0)
		wantError(t, err, fs.ErrClosed, "z: MmapFile.AllocateSlice: ", m.Fd.Name())
		if _, err := m.Bytes(0, 1); err != io.EOF {
			t.Fatalf("Bytes after Close: %v", err)
		}
		wantFile(t, m.Fd.Name(), c.want)
	}
}

func TestMmapFile_Delete(t *testing.T) {
	m := newMmapFile(t, 100)
	noError(t, m.Delete())
	if _, err := os.Stat(m.Fd.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the file after Delete: %v", err)
	}
	if m.Data != nil || m.Fd.Close() == nil {
		t.Fatal("mapping or file is left")
	}
	wantError(t, m.Delete(), fs.ErrClosed)
	noError(t, m.Close(0))

	m = newMmapFile(t, 100)
	noError(t, os.Remove(m.Fd.Name()))
	noError(t, m.Delete()) // it has no name any more
	if m.Data != nil {
		t.Fatal("Data after Delete")
	}
}

// A folder in place of the file, which is what root cannot remove either.
func TestMmapFile_DeleteFails(t *testing.T) {
	m := newMmapFile(t, 100)
	name := m.Fd.Name()
	noError(t, os.Remove(name))
	noError(t, os.MkdirAll(filepath.Join(name, "full"), 0o777))
	wantError(t, m.Delete(), syscall.ENOTEMPTY, "z: MmapFile.Delete: remove "+name)
	m.Data[0] = 1
	noError(t, m.Truncate(5000)) // as it was
	noError(t, m.Close(-1))
}

func TestMmapFile_DataAlone(t *testing.T) {
	m := &z.MmapFile{Data: []byte("\x00\x00\x00\x02abc")}
	noError(t, m.Sync())
	noError(t, m.Close(0))
	noError(t, m.Delete())
	if string(m.Slice(0)) != "ab" || len(m.Data) != 7 {
		t.Fatalf("Data is %q", m.Data)
	}
	if b, next, err := m.AllocateSlice(3, 0); err != nil || string(b) != "abc" || next != 7 {
		t.Fatalf("AllocateSlice: %q, %d, %v", b, next, err)
	}
	_, _, err := m.AllocateSlice(4, 0)
	wantError(t, err, fs.ErrInvalid, "z: MmapFile.AllocateSlice: no file")
	wantError(t, m.Truncate(1), fs.ErrInvalid, "z: MmapFile.Truncate: no file")
	if all, err := io.ReadAll(m.NewReader(4)); err != nil || string(all) != "abc" {
		t.Fatalf("read %q, %v", all, err)
	}
}

func TestMmapFile_Nil(t *testing.T) {
	var m *z.MmapFile
	noError(t, m.Sync())
	noError(t, m.Close(0))
	noError(t, m.Delete())
	wantError(t, m.Truncate(1), fs.ErrInvalid)
	_, _, err := m.AllocateSlice(0, 0)
	wantError(t, err, fs.ErrInvalid)
	if b, err := m.Bytes(0, 1); b != nil || err != io.EOF {
		t.Fatalf("Bytes is %q, %v", b, err)
	}
	if len(m.Slice(0)) != 0 {
		t.Fatal("Slice is not empty")
	}
	if all, err := io.ReadAll(m.NewReader(0)); err != nil || len(all) != 0 {
		t.Fatalf("read %q, %v", all, err)
	}
}

func TestMmapFile_OpenFails(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		flag int
		size int
		want error
	}{
		{filepath.Join(dir, "none"), os.O_RDWR, 10, fs.ErrNotExist},
		{filepath.Join(dir, "none", "none"), os.O_RDWR | os.O_CREATE, 10, fs.ErrNotExist},
		{fileWith(t, "x"), os.O_RDWR | os.O_CREATE | os.O_EXCL, 10, fs.ErrExist},
		{dir, os.O_RDWR, 10, syscall.EISDIR},
		{dir, os.O_RDONLY, 10, syscall.ENODEV},
		{fileWith(t, "hello"), os.O_WRONLY, 10, fs.ErrPermission},
		{fileWith(t, ""), os.O_RDONLY, 10, syscall.EBADF}, // nor can it be made longer
		{fileWith(t, ""), os.O_RDWR, z.MaxArrayLen, nil},  // no disk has so much
	} {
		m, err := z.OpenMmapFile(c.name, c.flag, c.size)
		if m != nil || err == nil || errors.Is(err, z.NewFile) {
			t.Fatalf("%s: %v, %v", c.name, m, err)
		}
		if c.want != nil {
			wantError(t, err, c.want)
		}
		wantError(t, err, err, "z: OpenMmapFile: ", c.name)
		var path *fs.PathError
		if !errors.As(err, &path) || path.Path != c.name {
			t.Fatalf("error %v names %v", err, path)
		}
		if info, err := os.Stat(c.name); err == nil && info.Mode().IsRegular() && info.Size() > 5 {
			t.Fatalf("the file now has %d bytes", info.Size())
		}
	}
	_, err := z.OpenMmapFileUsing(nil, 10, true)
	wantError(t, err, fs.ErrInvalid, "z: OpenMmapFileUsing: ")
	if math.MaxInt > z.MaxArrayLen {
		_, err = z.OpenMmapFile(fileWith(t, ""), os.O_RDWR, math.MaxInt)
		wantError(t, err, syscall.EFBIG)
	}
}

// A file that is not writable, which stays the caller's.
func TestMmapFile_UsingFails(t *testing.T) {
	name := fileWith(t, "hello")
	fd, err := os.Open(name)
	noError(t, err)
	m, err := z.OpenMmapFileUsing(fd, 10, true)
	if m != nil {
		t.Fatal("an MmapFile and an error")
	}
	wantError(t, err, fs.ErrPermission, "z: OpenMmapFileUsing: ", name)
	noError(t, fd.Close())
	wantFile(t, name, "hello")
}

func TestMmapFile_ManyReaders(t *testing.T) {
	m := newMmapFile(t, 1<<16)
	next := 0
	var offsets []int
	for i := range 1000 {
		b, after, err := m.AllocateSlice(i%100, next)
		noError(t, err)
		fill(b, byte(i))
		offsets = append(offsets, next)
		next = after
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i, off := range offsets {
				if !bytes.Equal(m.Slice(off), bytes.Repeat([]byte{byte(i)}, i%100)) {
					t.Errorf("slice %d is wrong", i)
					return
				}
			}
			if _, err := io.Copy(io.Discard, m.NewReader(0)); err != nil {
				t.Error(err)
			}
			if err := m.Sync(); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
}

func TestMmap(t *testing.T) {
	name := fileWith(t, "hello")
	fd, err := os.OpenFile(name, os.O_RDWR, 0)
	noError(t, err)
	b, err := z.Mmap(fd, true, 3)
	noError(t, err)
	all, err := z.Mmap(fd, false, 5)
	noError(t, err)
	longer, err := z.Mmap(fd, true, 10000)
	noError(t, err)
	noError(t, fd.Close())
	if string(b) != "hel" || cap(b) != 3 || string(all) != "hello" || len(longer) != 10000 ||
		!isZero(longer[5:]) {
		t.Fatalf("mappings are %q, %q and %.10q", b, all, longer)
	}
	b[0], longer[9999] = 'j', 'x'
	if string(all) != "jello" {
		t.Fatalf("the file holds %q", all)
	}
	noError(t, z.Msync(longer[9998:]))
	noError(t, z.Madvise(longer[5000:], false))
	noError(t, z.Madvise(longer, true))
	noError(t, z.Munmap(longer[:10])) // goes by its capacity
	noError(t, z.Munmap(b))
	noError(t, z.Munmap(all))
	wantFile(t, name, "jello"+strings.Repeat("\x00", 9994)+"x")
}

func TestMmap_Nothing(t *testing.T) {
	fd, err := os.Open(fileWith(t, ""))
	noError(t, err)
	defer fd.Close()
	b, err := z.Mmap(fd, false, 0)
	if b != nil || err != nil {
		t.Fatalf("Mmap of nothing is %q, %v", b, err)
	}
	noError(t, z.Msync(b))
	noError(t, z.Madvise(b, true))
	noError(t, z.Munmap(b))
	noError(t, z.Munmap([]byte{}))
}

func TestMmap_Fails(t *testing.T) {
	name := fileWith(t, "hello")
	fd, err := os.Open(name)
	noError(t, err)
	defer fd.Close()
	try := func(writable bool, size int64, want error, call string) {
		t.Helper()
		b, err := z.Mmap(fd, writable, size)
		if b != nil {
			t.Fatal("a mapping and an error")
		}
		wantError(t, err, want, "z: Mmap: "+call, name)
	}
	try(false, 6, io.ErrUnexpectedEOF, "mmap")
	try(true, 5, fs.ErrPermission, "mmap")
	try(true, 6, syscall.EBADF, "ftruncate")
	try(false, math.MaxInt64, syscall.EFBIG, "mmap")
	wantPanic(t, func() { z.Mmap(fd, false, -1) }, "z: Mmap: negative size -1")
	noError(t, fd.Close())
	try(false, 5, syscall.EBADF, "fstat")

	page := make([]byte, 3*os.Getpagesize())
	page = page[1+uintptr(os.Getpagesize())-addr(page)%uintptr(os.Getpagesize()):]
	wantError(t, z.Munmap(page), syscall.EINVAL, "z: Munmap: munmap: ")
}

func TestSyncDir(t *testing.T) {
	noError(t, z.SyncDir(t.TempDir()))
	noError(t, z.SyncDir("."))
	none := filepath.Join(t.TempDir(), "none")
	wantError(t, z.SyncDir(none), fs.ErrNotExist, "z: SyncDir: open "+none)
	wantError(t, z.SyncDir(""), fs.ErrNotExist, "z: SyncDir: ")
}

// FuzzMmapFile compares slices, lengths and contents with those of a []byte, operation by
// operation, each of which is three bytes of the input.
func FuzzMmapFile(f *testing.F) {
	f.Add([]byte{0, 0, 10, 0, 0, 0, 1, 3, 0, 2, 1, 9, 3, 0, 4, 0, 255, 255, 4, 0, 0})
	f.Add([]byte{2, 0, 0, 0, 4, 4, 3, 4, 0, 1, 0, 200, 2, 16, 0, 0, 15, 255})
	name := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, ops []byte) {
		m, err := z.OpenMmapFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 16)
		if err != z.NewFile {
			t.Fatal(err)
		}
		defer func() { noError(t, m.Delete()) }()
		model := make([]byte, 16)
		next := 0
		for ; len(ops) >= 3; ops = ops[3:] {
			arg := int(binary.BigEndian.Uint16(ops[1:]))
			switch ops[0] % 5 {
			case 0: // a slice behind the last one
				b, after, err := m.AllocateSlice(arg, next)
				noError(t, err)
				model = modelAllocate(model, arg, next)
				fill(b, ops[2])
				fill(model[next+4:next+4+arg], ops[2])
				if next = after; next > 1<<20 {
					next = 0
				}
			case 1: // a slice anywhere
				_, _, err := m.AllocateSlice(int(ops[2]), arg)
				noError(t, err)
				model = modelAllocate(model, int(ops[2]), arg)
			case 2:
				noError(t, m.Truncate(int64(arg)))
				model = append(model, make([]byte, max(0, arg-len(model)))...)[:arg:arg]
			case 3: // reopened
				noError(t, m.Close(-1))
				if m, err = z.OpenMmapFile(name, os.O_RDWR, 0); err != nil {
					t.Fatal(err)
				}
			case 4:
				want := modelSlice(model, arg)
				if got := m.Slice(arg); !bytes.Equal(got, want) || cap(got) != len(got) {
					t.Fatalf("Slice(%d) has %d bytes, want %d", arg, len(got), len(want))
				}
			}
			if !bytes.Equal(m.Data, model) {
				t.Fatalf("Data has %d bytes, want %d, or others", len(m.Data), len(model))
			}
		}
		rest, err := io.ReadAll(m.NewReader(3))
		if err != nil || !bytes.Equal(rest, model[min(3, len(model)):]) {
			t.Fatalf("read %d bytes, %v", len(rest), err)
		}
	})
}

func modelAllocate(model []byte, size, offset int) []byte {
	if end := offset + 4 + size; end > len(model) {
		model = append(model, make([]byte, max(end-len(model), len(model)))...)
	}
	binary.BigEndian.PutUint32(model[offset:], uint32(size))
	return model
}

func modelSlice(model []byte, offset int) []byte {
	if offset+4 > len(model) {
		return nil
	}
	size := int64(binary.BigEndian.Uint32(model[offset:]))
	if int64(offset)+4+size > int64(len(model)) {
		return nil
	}
	return model[offset+4:][:size]
}

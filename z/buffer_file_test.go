package z_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zmem-go/zmem/z"
)

func TestNewBufferTmp_LeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	b := must(z.NewBufferTmp(dir, 1<<20))(t)
	defer b.Release()
	if files := must(os.ReadDir(dir))(t); len(files) != 0 {
		t.Errorf("the file has a name: %v", files)
	}
	if got := len(b.Data(0)); got < 1<<20 {
		t.Errorf("room for %d bytes", got)
	}
}

func TestBuffer_FileErrors(t *testing.T) {
	before := liveNow()
	dir := t.TempDir()
	file := dir + "/file"
	text := []byte("not a Buffer, but a text of more than a few bytes")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		make func() (*z.Buffer, error)
		is   error
		text string
	}{
		{func() (*z.Buffer, error) { return z.NewBufferTmp("/no/such", 0) }, fs.ErrNotExist,
			"z: NewBufferTmp: open /no/such: no such file or directory"},
		{func() (*z.Buffer, error) { return z.NewBufferTmp(file, 0) }, syscall.ENOTDIR,
			"z: NewBufferTmp: open " + file + ": not a directory"},
		{func() (*z.Buffer, error) { return z.NewBufferTmp("a\x00b", 0) }, syscall.EINVAL,
			"z: NewBufferTmp: open a\x00b: invalid argument"},
		{func() (*z.Buffer, error) { return z.NewBufferPersistent("/no/such", 0) }, fs.ErrNotExist,
			"z: NewBufferPersistent: open /no/such: no such file or directory"},
		{func() (*z.Buffer, error) { return z.NewBufferPersistent(dir, 0) }, syscall.EISDIR,
			"z: NewBufferPersistent: open " + dir + ": is a directory"},
		{func() (*z.Buffer, error) { return z.NewBufferPersistent("", 0) }, fs.ErrNotExist,
			"z: NewBufferPersistent: open : no such file or directory"},
		{func() (*z.Buffer, error) { return z.NewBufferPersistent(file, 0) }, z.ErrCorrupt,
			"z: NewBufferPersistent: " + file + ": corrupt file: no Buffer file"},
		{func() (*z.Buffer, error) { return z.NewBufferPersistent("/dev/null", 0) }, z.ErrCorrupt,
			"z: NewBufferPersistent: /dev/null: corrupt file: not a regular file"},
	} {
		b, err := c.make()
		if b != nil || !errors.Is(err, c.is) || err.Error() != c.text {
			t.Errorf("%v, want %s", err, c.text)
		}
	}
	if now := must(os.ReadFile(file))(t); !bytes.Equal(now, text) {
		t.Errorf("the file has changed: %q", now)
	}
	wantLive(t, before)

	b := z.NewBuffer(0).WithAutoMmap(100, "/no/such")
	defer b.Release()
	b.WriteString("kept")
	before = liveNow()
	n, err := b.Write(make([]byte, 200))
	want := "z: Buffer.Write: open /no/such: no such file or directory"
	if n != 0 || !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
		t.Errorf("Write: %d, %v", n, err)
	}
	wantLive(t, before)
	if string(b.Bytes()) != "kept" {
		t.Errorf("%q", b.Bytes())
	}
}

func TestSetTmpDir(t *testing.T) {
	defer z.SetTmpDir("")
	z.SetTmpDir("/no/such/folder")
	if _, err := z.NewBufferTmp("", 0); err == nil || !strings.Contains(err.Error(), "/no/such/folder") {
		t.Error(err)
	}
	before := z.NewBuffer(0).AutoMmapAfter(100)
	defer before.Release()
	z.SetTmpDir("")
	must(z.NewBufferTmp("", 0))(t).Release()
	if err := before.TryGrow(200); err == nil || !strings.Contains(err.Error(), "/no/such/folder") {
		t.Error(err)
	}
}

func TestNewBufferPersistent_Reopens(t *testing.T) {
	path := t.TempDir() + "/buffer"
	var want [][]byte
	var offsets []int
	for round := range 4 {
		b := must(z.NewBufferPersistent(path, round*10000))(t)
		wantRecords(t, b, want, offsets)
		for i := range 100 {
			record := bytes.Repeat([]byte{byte(i)}, round*i*100)
			want = append(want, record)
			offsets = append(offsets, b.LenWithPadding())
			b.WriteSlice(record)
		}
		if round == 1 {
			if err := b.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := z.NewBufferPersistent(path, 0); !errors.Is(err, z.ErrInUse) {
			t.Errorf("opened twice: %v", err)
		}
		end := b.LenWithPadding()
		if err := b.Release(); err != nil {
			t.Fatal(err)
		}
		if size := must(os.Stat(path))(t).Size(); size != int64(4096+end) {
			t.Errorf("a file of %d bytes for %d", size, end)
		}
	}
	b := must(z.NewBufferPersistent(path, 0))(t)
	b.Reset()
	b.Release()
	b = must(z.NewBufferPersistent(path, 0))(t)
	defer b.Release()
	if !b.IsEmpty() {
		t.Errorf("%d bytes after Reset", b.LenNoPadding())
	}
	for _, v := range b.Data(8) {
		if v != 0 {
			t.Fatal("fresh bytes are not zero")
		}
	}
}

func TestNewBufferPersistent_BadFiles(t *testing.T) {
	before := liveNow()
	path := t.TempDir() + "/buffer"
	b := must(z.NewBufferPersistent(path, 0))(t)
	b.WriteString("hello")
	if err := b.Release(); err != nil {
		t.Fatal(err)
	}
	good := must(os.ReadFile(path))(t)
	word := func(at int, v uint64) []byte {
		bad := bytes.Clone(good)
		binary.LittleEndian.PutUint64(bad[at:], v)
		return bad
	}
	for _, c := range []struct {
		file []byte
		is   error
		text string
	}{
		{good[:len(good)-1], z.ErrCorrupt, "corrupt file: shorter than its header says"},
		{good[:4096], z.ErrCorrupt, "corrupt file: shorter than its header says"},
		{good[:100], z.ErrCorrupt, "corrupt file: shorter than its header says"},
		{good[:23], z.ErrCorrupt, "corrupt file: no Buffer file"},
		{good[:1], z.ErrCorrupt, "corrupt file: no Buffer file"},
		{word(0, 0), z.ErrCorrupt, "corrupt file: no Buffer file"},
		{word(8, 2), z.ErrVersion, "unknown file version"},
		{word(8, 0), z.ErrVersion, "unknown file version"},
		{word(16, 7), z.ErrCorrupt, "corrupt file: impossible length in its header"},
		{word(16, 0), z.ErrCorrupt, "corrupt file: impossible length in its header"},
		{word(16, 14), z.ErrCorrupt, "corrupt file: shorter than its header says"},
		{word(16, 1<<63), z.ErrCorrupt, "corrupt file: impossible length in its header"},
		{word(16, ^uint64(0)), z.ErrCorrupt, "corrupt file: impossible length in its header"},
	} {
		if err := os.WriteFile(path, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := z.NewBufferPersistent(path, 0)
		if b != nil || !errors.Is(err, c.is) || err.Error() != "z: NewBufferPersistent: "+path+": "+c.text {
			t.Errorf("%v, want %s", err, c.text)
		}
		if now := must(os.ReadFile(path))(t); !bytes.Equal(now, c.file) {
			t.Errorf("%s: the file has changed", c.text)
		}
	}
	// longer than its header says is what a kill leaves
	if err := os.WriteFile(path, append(bytes.Clone(good), "junk"...), 0o600); err != nil {
		t.Fatal(err)
	}
	b = must(z.NewBufferPersistent(path, 0))(t)
	if string(b.Bytes()) != "hello" || b.Allocate(1)[0] != 0 {
		t.Errorf("%q", b.Bytes())
	}
	b.Release()
	wantLive(t, before)
}

// A file that could not be made is not left behind, an empty one stays empty.
func TestNewBufferPersistent_FailsWhole(t *testing.T) {
	path := t.TempDir() + "/buffer"
	if _, err := z.NewBufferPersistent(path, 1<<46); err == nil {
		t.Fatal("64 TiB were reserved")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := z.NewBufferPersistent(path, 1<<46); err == nil {
		t.Fatal("64 TiB were reserved")
	}
	if size := must(os.Stat(path))(t).Size(); size != 0 {
		t.Errorf("the file has %d bytes", size)
	}
}

func init() {
	children["killed"] = func() {
		b, err := z.NewBufferPersistent(os.Getenv("ZMEM_TEST_FILE"), 0)
		if err != nil {
			panic(err)
		}
		for i := range 1000 {
			b.WriteSlice(fmt.Appendf(nil, "record %d", i))
			if i == 499 {
				if err := b.Sync(); err != nil {
					panic(err)
				}
			}
		}
		b.Grow(1 << 20)
		tmp, err := z.NewBufferTmp(filepath.Dir(os.Getenv("ZMEM_TEST_FILE")), 1<<20)
		if err != nil {
			panic(err)
		}
		tmp.WriteString("gone")
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	children["full"] = func() { fillDisk(os.Getenv("ZMEM_TEST_DIR")) }
	children["limited"] = func() {
		limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			panic(err)
		}
		fillDisk(os.Getenv("ZMEM_TEST_DIR"))
	}
}

// Killed while it writes, a process leaves what it committed, and no temporary file.
func TestNewBufferPersistent_AfterKill(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/buffer"
	out, err := runChild(t, "killed", "ZMEM_TEST_FILE="+path)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%v\n%s", err, out)
	}
	if files := must(os.ReadDir(dir))(t); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	b := must(z.NewBufferPersistent(path, 0))(t)
	defer b.Release()
	n := 0
	for record := range b.Records() {
		if string(record) != fmt.Sprintf("record %d", n) {
			t.Fatalf("record %d is %q", n, record)
		}
		n++
	}
	if n != 500 {
		t.Errorf("%d records, want the 500 that were committed", n)
	}
	for i, v := range b.Allocate(1000) {
		if v != 0 {
			t.Fatalf("byte %d behind them is not zero", i)
		}
	}
}

// fillDisk writes until there is no room, in each mode that writes to dir, and prints what Write said.
func fillDisk(dir string) {
	for _, mode := range []struct {
		name string
		make func() (*z.Buffer, error)
	}{
		{"temporary", func() (*z.Buffer, error) { return z.NewBufferTmp(dir, 0) }},
		{"moved", func() (*z.Buffer, error) { return z.NewBuffer(0).WithAutoMmap(1000, dir), nil }},
		{"persistent", func() (*z.Buffer, error) { return z.NewBufferPersistent(dir+"/buffer", 0) }},
	} {
		b, err := mode.make()
		if err != nil {
			panic(err)
		}
		var want []byte
		for err == nil {
			p := bytes.Repeat([]byte{byte(len(want) / 777)}, 777)
			if _, err = b.Write(p); err == nil {
				want = append(want, p...)
			}
		}
		first := panicOf(func() { b.Allocate(1 << 20) })
		if e, ok := first.(error); !ok || !errors.Is(e, errors.Unwrap(errors.Unwrap(err))) {
			panic(fmt.Sprint("Allocate: ", first))
		}
		if !bytes.Equal(b.Bytes(), want) {
			panic("the bytes differ")
		}
		used := len(want) > 900<<10 // of 1 MiB
		fmt.Printf("%s: %v, %v %v %v\n", mode.name, err,
			errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EFBIG), used)
		if err := b.Release(); err != nil {
			panic(err)
		}
	}
	b, err := z.NewBufferPersistent(dir+"/buffer", 0)
	if err != nil {
		panic(err)
	}
	fmt.Println("reopened:", b.LenNoPadding() > 900<<10)
	b.Release()
	if n := z.NumAllocBytes(); n != 0 {
		panic(n)
	}
}

// The file system is full, or refuses longer files: an error, no signal, and the Buffer as it was.
func TestBuffer_FullDisk(t *testing.T) {
	check := func(how, out string, err error, errno string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v\n%s", how, err, out)
		}
		for _, mode := range []string{"temporary", "moved", "persistent"} {
			want := mode + ": z: Buffer.Write: fallocate "
			if !strings.Contains(out, want) || strings.Count(out, errno) != 3 ||
				!strings.Contains(out, "reopened: true") {
				t.Errorf("%s: %s: want %q and 3 times %q in\n%s", how, mode, want, errno, out)
			}
		}
	}
	out, err := runChild(t, "limited", "ZMEM_TEST_DIR="+t.TempDir())
	check("RLIMIT_FSIZE", out, err, "file too large, false true true")

	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getuid() == 0 && !errors.Is(err, fs.ErrPermission) {
			t.Fatal(err)
		}
		t.Logf("no file system of 1 MiB, only a limit of as much: mounting: %v", err)
		return
	}
	defer syscall.Unmount(dir, 0)
	out, err = runChild(t, "full", "ZMEM_TEST_DIR="+dir)
	check("tmpfs", out, err, "no space left on device, true false true")
}

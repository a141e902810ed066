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
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

// A symbolic link to nothing is there for O_EXCL and not there for open.
func TestNewBufferPersistent_DanglingLink(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	noError(t, os.Symlink("nowhere", link))
	b, err := z.NewBufferPersistent(link, 0)
	if b != nil {
		t.Fatal("it opened nothing")
	}
	wantError(t, err, fs.ErrNotExist, "z: NewBufferPersistent: open "+link)
}

// A Buffer is reached by way of links, and stays the file that they lead to when it is sorted.
func TestNewBufferPersistent_Link(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	b, err := z.NewBufferPersistent(file, 0)
	noError(t, err)
	noError(t, b.Release())
	noError(t, os.Symlink("file", link))
	b, err = z.NewBufferPersistent(link, 0)
	noError(t, err)
	b.WriteSlice([]byte("b"))
	noError(t, b.Sync())
	b.WriteSlice([]byte("a"))
	noError(t, b.SortBytes())
	noError(t, b.Release())
	if to, err := os.Readlink(link); err != nil || to != "file" {
		t.Fatalf("the link leads to %q: %v", to, err)
	}
	wantRecordsIn(t, file, "a", "b")
}

// wantRecordsIn fails the test unless the persistent Buffer of that name has these records.
func wantRecordsIn(t *testing.T, name string, want ...string) {
	t.Helper()
	b, err := z.NewBufferPersistent(name, 0)
	noError(t, err)
	var got []string
	for r := range b.Records() {
		got = append(got, string(r))
	}
	noError(t, b.Release())
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("records %q, want %q", got, want)
	}
}

// What a killed process left behind the committed length stays until the file is open.
func TestNewBufferPersistent_FailureKeepsTheTail(t *testing.T) {
	name := filepath.Join(t.TempDir(), "buffer")
	b, err := z.NewBufferPersistent(name, 0)
	noError(t, err)
	_, err = b.Write(make([]byte, 100))
	noError(t, err)
	noError(t, b.Release())
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	noError(t, err)
	_, err = f.Write(bytes.Repeat([]byte{0xee}, 1<<20))
	noError(t, err)
	noError(t, f.Close())
	before, err := os.ReadFile(name)
	noError(t, err)
	_, err = z.NewBufferPersistent(name, 1<<50) // no disk has so much
	if err == nil {
		t.Fatal("no error")
	}
	after, err := os.ReadFile(name)
	noError(t, err)
	if !bytes.Equal(before, after) {
		t.Fatalf("of %d bytes %d are left", len(before), len(after))
	}
	b, err = z.NewBufferPersistent(name, 2<<20)
	noError(t, err)
	if b.LenNoPadding() != 100 || !isZero(b.Data(b.LenWithPadding())) {
		t.Fatal("what was not committed is there")
	}
	noError(t, b.Release())
}

// A header that says more than the file has, or a hole that the disk has no room for, is refused
// before anything is reserved.
func TestNewBufferPersistent_HostileLength(t *testing.T) {
	name := filepath.Join(t.TempDir(), "buffer")
	b, err := z.NewBufferPersistent(name, 0)
	noError(t, err)
	noError(t, b.Release())
	write := func(length, size int64) {
		t.Helper()
		noError(t, os.Truncate(name, size))
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		noError(t, err)
		_, err = f.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(length)), 16)
		noError(t, errors.Join(err, f.Close()))
	}
	for _, c := range []struct {
		length, size int64
		want         error
	}{
		{1 << 40, 4104, z.ErrCorrupt},
		{-1, 4104, z.ErrCorrupt},
		{0, 4104, z.ErrCorrupt},
		{1<<43 - 4096, 1 << 43, syscall.ENOSPC},
	} {
		write(c.length, c.size)
		blocks := blocksOf(t, name)
		b, err := z.NewBufferPersistent(name, 0)
		if b != nil {
			t.Fatalf("length %d in a file of %d bytes opens", c.length, c.size)
		}
		wantError(t, err, c.want)
		wantBlocks(t, name, blocks)
	}
}

// A process that another goroutine starts has a copy of the descriptor between fork and exec, and the
// lock with it, unless that was given up.
func TestBuffer_ReleaseUnlocksForForks(t *testing.T) {
	name := filepath.Join(t.TempDir(), "buffer")
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for !stop.Load() {
			_ = exec.Command("/bin/true").Run()
		}
	}()
	opens := 0
	for start := time.Now(); opens < 200 || time.Since(start) < time.Second; opens++ {
		b, err := z.NewBufferPersistent(name, 0)
		if err != nil {
			t.Errorf("after %d: %v", opens, err)
			break
		}
		if err := b.Release(); err != nil {
			t.Error(err)
			break
		}
	}
	stop.Store(true)
	wg.Wait()
}

func init() { children["sort then die"] = sortThenDie }

// sortThenDie sorts a Buffer that has committed records and others, and dies at a point that the
// environment names.
func sortThenDie() {
	die := func(err error) {
		fmt.Println(err)
		os.Exit(0) // without Release
	}
	b, err := z.NewBufferPersistent(os.Getenv("ZMEM_TEST_FILE"), 0)
	if err != nil {
		die(err)
	}
	b.WriteSlice([]byte("dddd"))
	b.WriteSlice([]byte("cc"))
	if err := b.Sync(); err != nil {
		die(err)
	}
	b.WriteSlice([]byte("aaaaaaaaaaaaaaaaaaaa"))
	switch os.Getenv("ZMEM_TEST_POINT") {
	case "sorting":
		b.SortSlice(func(l, r []byte) bool { die(nil); return false })
	case "sorted":
		die(b.SortBytes())
	case "grown":
		if err := b.SortBytes(); err != nil {
			die(err)
		}
		for range 1000 {
			b.WriteSlice(make([]byte, 10_000))
		}
		die(nil)
	case "reset":
		if err := b.SortBytes(); err != nil {
			die(err)
		}
		b.Reset()
		die(nil)
	case "synced":
		if err := b.SortBytes(); err != nil {
			die(err)
		}
		die(b.Sync())
	}
}

// A Buffer whose process dies while it is sorted, or later, has either all that was committed or all
// that is committed, in a file alone in its folder.
func TestBuffer_SortThenDie(t *testing.T) {
	for point, want := range map[string][]string{
		"sorting": {"dddd", "cc"},
		"sorted":  {"dddd", "cc"},
		"grown":   {"dddd", "cc"},
		"reset":   nil,
		"synced":  {"aaaaaaaaaaaaaaaaaaaa", "cc", "dddd"},
	} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "buffer")
			out, err := runChild(t, "sort then die", "ZMEM_TEST_FILE="+name, "ZMEM_TEST_POINT="+point)
			if err != nil || out != "<nil>\n" {
				t.Fatalf("%v: %s", err, out)
			}
			wantRecordsIn(t, name, want...)
			if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
				t.Fatalf("%v in the folder: %v", files, err)
			}
		})
	}
}

// Sorting takes the file's place: mode, lock and all; a file that was moved away meanwhile is not
// replaced.
func TestBuffer_SortedFileIsTheSame(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "buffer")
	b, err := z.NewBufferPersistent(name, 0)
	noError(t, err)
	noError(t, os.Chmod(name, 0o640))
	b.WriteSlice([]byte("b"))
	noError(t, b.Sync())
	b.WriteSlice([]byte("a"))
	noError(t, b.SortBytes())
	_, err = z.NewBufferPersistent(name, 0)
	wantError(t, err, z.ErrInUse)
	noError(t, b.Sync())
	_, err = z.NewBufferPersistent(name, 0)
	wantError(t, err, z.ErrInUse)
	info, err := os.Stat(name)
	noError(t, err)
	if info.Mode() != 0o640 {
		t.Fatalf("mode %v", info.Mode())
	}
	noError(t, b.SortBytes())
	noError(t, os.Rename(name, name+"2"))
	noError(t, os.WriteFile(name, []byte("somebody else's"), 0o666))
	wantError(t, b.Sync(), syscall.ESTALE)
	wantError(t, b.Release(), syscall.ESTALE)
	wantFile(t, name, "somebody else's")
	wantRecordsIn(t, name+"2", "a", "b")
	b, err = z.NewBufferPersistent(name+"2", 0)
	noError(t, err)
	noError(t, b.SortBytes())
	noError(t, os.Remove(name+"2"))
	wantError(t, b.Sync(), syscall.ESTALE)
	wantError(t, b.Release(), syscall.ESTALE)
	wantHeld(t, dir, 0, 0)
}

// A sort that is refused leaves neither a copy nor any room taken.
func TestBuffer_RefusedSortTakesNoRoom(t *testing.T) {
	dir := t.TempDir()
	b, err := z.NewBufferPersistent(filepath.Join(dir, "buffer"), 0)
	noError(t, err)
	_, err = b.Write(bytes.Repeat([]byte{0xff}, 10_000))
	noError(t, err)
	noError(t, b.Sync())
	wantError(t, b.SortBytes(), z.ErrNoRecord)
	wantHeld(t, dir, 1, 1)
	b.Reset()
	b.WriteSlice([]byte("too short"))
	b.WriteSlice([]byte("short"))
	noError(t, b.Sync())
	wantError(t, b.SortUint64(0), z.ErrNoRecord)
	wantHeld(t, dir, 1, 1)
	noError(t, b.Release())
}

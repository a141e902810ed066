package z_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// held is how many files below dir this process has open, and how many mappings of such files.
func held(t *testing.T, dir string) (files, mappings int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	noError(t, err)
	for _, fd := range fds {
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(name, dir) {
			files++
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	noError(t, err)
	return files, strings.Count(string(maps), " "+dir)
}

func wantHeld(t *testing.T, dir string, files, mappings int) {
	t.Helper()
	if f, m := held(t, dir); f != files || m != mappings {
		t.Fatalf("%d files open, %d mapped, want %d and %d", f, m, files, mappings)
	}
}

func TestMmapFile_LeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	m, err := z.OpenMmapFile(name, os.O_RDWR|os.O_CREATE, 10)
	if err != z.NewFile {
		t.Fatal(err)
	}
	wantHeld(t, dir, 1, 1)
	for _, size := range []int64{1 << 20, 1 << 24, 5000, 1 << 22} {
		noError(t, m.Truncate(size))
		wantHeld(t, dir, 1, 1)
	}
	if err := m.Truncate(z.MaxArrayLen); err == nil {
		t.Fatal("no disk has so much")
	}
	wantHeld(t, dir, 1, 1)
	noError(t, m.Truncate(0))
	wantHeld(t, dir, 1, 0)
	noError(t, m.Truncate(1<<20))
	noError(t, m.Close(-1))
	wantHeld(t, dir, 0, 0)

	for _, fails := range []func() error{
		func() error { _, err := z.OpenMmapFile(name, os.O_WRONLY, 0); return err },
		func() error { _, err := z.OpenMmapFile(dir, os.O_RDONLY, 0); return err },
		func() error { return z.SyncDir(name + "x") },
		func() error {
			m, err := z.OpenMmapFile(name, os.O_RDONLY, 0)
			noError(t, err)
			return m.Close(1)
		},
		func() error {
			_, err := z.OpenMmapFile(filepath.Join(dir, "new"), os.O_RDWR|os.O_CREATE, z.MaxArrayLen)
			return err
		},
	} {
		if fails() == nil {
			t.Fatal("no error")
		}
		wantHeld(t, dir, 0, 0)
	}
	m, err = z.OpenMmapFile(name, os.O_RDWR, 0)
	noError(t, err)
	noError(t, m.Delete())
	wantHeld(t, dir, 0, 0)
	noError(t, z.SyncDir(dir))
	wantHeld(t, dir, 0, 0)
}

// blocksOf is how many bytes of disk blocks a file has.
func blocksOf(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	noError(t, err)
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}

func wantBlocks(t *testing.T, name string, want int64) {
	t.Helper()
	if got := blocksOf(t, name); got != want {
		t.Fatalf("%d bytes have blocks, want %d", got, want)
	}
}

func TestMmapFile_IsSparse(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	m, err := z.OpenMmapFile(name, os.O_RDWR|os.O_CREATE, 256<<20)
	if err != z.NewFile {
		t.Fatal(err)
	}
	wantBlocks(t, name, 0)
	noError(t, m.Truncate(1<<30))
	_, _, err = m.AllocateSlice(0, 1<<30)
	noError(t, err)
	if got := blocksOf(t, name); got > 64<<10 {
		t.Fatalf("a slice of nothing takes %d bytes", got)
	}
	b, err := z.Mmap(m.Fd, true, 3<<30)
	noError(t, err)
	noError(t, z.Munmap(b))
	if got := blocksOf(t, name); got > 64<<10 {
		t.Fatalf("a longer file takes %d bytes", got)
	}
	noError(t, m.Close(-1))
}

// With ReserveBlocks the blocks of a writable mapping are there before it is, those of holes too.
func TestMmapFile_ReserveBlocks(t *testing.T) {
	name := fileWith(t, "")
	noError(t, os.Truncate(name, 1<<20))
	wantBlocks(t, name, 0)
	m, err := z.OpenMmapFile(name, os.O_RDWR, 0, z.ReserveBlocks)
	noError(t, err)
	for _, size := range []int64{1 << 20, 5 << 20} {
		noError(t, m.Truncate(size))
		wantBlocks(t, name, size)
	}
	noError(t, m.Close(-1))
	wantBlocks(t, name, 5<<20)

	noError(t, os.Truncate(name, 0))
	noError(t, os.Truncate(name, 5<<20))
	fd, err := os.OpenFile(name, os.O_RDWR, 0)
	noError(t, err)
	b, err := z.Mmap(fd, true, 2<<20, z.ReserveBlocks)
	noError(t, err)
	wantBlocks(t, name, 2<<20)
	noError(t, z.Munmap(b))
	m, err = z.OpenMmapFileUsing(fd, 0, true, z.ReserveBlocks)
	noError(t, err)
	wantBlocks(t, name, 5<<20)
	noError(t, m.Close(-1))
}

func TestMmapFile_Reserve(t *testing.T) {
	name := fileWith(t, "")
	noError(t, os.Truncate(name, 1<<20))
	m := openMmapFile(t, name, os.O_RDWR, 0, nil)
	copy(m.Data[500_000:], "what is there stays")
	noError(t, m.Reserve(0, 0))
	noError(t, m.Reserve(256<<10, 768<<10))
	wantBlocks(t, name, 512<<10)
	noError(t, m.Reserve(0, 1<<20))
	wantBlocks(t, name, 1<<20)
	if got := string(m.Data[500_000:500_019]); got != "what is there stays" {
		t.Fatalf("it has become %q", got)
	}
	wantError(t, m.Reserve(0, 1<<20+1), fs.ErrInvalid)
	for _, bad := range [][2]int64{{-1, 5}, {6, 5}, {math.MinInt64, math.MaxInt64}} {
		wantPanic(t, func() { _ = m.Reserve(bad[0], bad[1]) }, "z: MmapFile.Reserve: no range")
	}
	noError(t, m.Close(-1))
	wantError(t, m.Reserve(0, 1), fs.ErrClosed)
	wantError(t, new(z.MmapFile).Reserve(0, 1), fs.ErrInvalid)
	m = openMmapFile(t, name, os.O_RDONLY, 0, nil)
	wantError(t, m.Reserve(0, 1), fs.ErrPermission)
}

// The kernel sees several mappings where parts of one were advised, and grows only one.
func TestMmapFile_GrowsAfterAdvice(t *testing.T) {
	m := openMmapFile(t, filepath.Join(t.TempDir(), "file"), os.O_RDWR|os.O_CREATE, 1<<20, z.NewFile)
	fill(m.Data, 7)
	noError(t, z.Madvise(m.Data[500000:600000], false))
	for _, size := range []int64{4 << 20, 64 << 20} {
		noError(t, m.Truncate(size))
		if int64(len(m.Data)) != size || m.Data[0] != 7 || m.Data[550000] != 7 || m.Data[1<<20-1] != 7 ||
			!isZero(m.Data[1<<20:]) {
			t.Fatal("it has other bytes")
		}
	}
	noError(t, m.Close(-1))
}

func init() { children["file size limit"] = fileSizeLimit }

// fileSizeLimit runs out of disk, as it were, and says what failed and what stayed.
func fileSizeLimit() {
	name := os.Getenv("ZMEM_TEST_FILE")
	m, err := z.OpenMmapFile(name, os.O_RDWR|os.O_CREATE, 5)
	fmt.Println(err)
	copy(m.Data, "hello")
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 65536, Max: 65536}); err != nil {
		fmt.Println(err)
	}
	report := func(err error) {
		info, _ := m.Fd.Stat()
		fmt.Printf("%v %v %s %d\n", err, errors.Is(err, syscall.EFBIG), m.Data[:5], info.Size())
	}
	report(m.Truncate(65537))
	_, _, err = m.AllocateSlice(1<<20, 5)
	report(err)
	_, err = z.Mmap(m.Fd, true, 1<<20, z.ReserveBlocks)
	report(err)
	m2, err := z.OpenMmapFile(name+"2", os.O_RDWR|os.O_CREATE, 1<<20)
	fmt.Println(m2 == nil)
	report(err)
	report(m.Truncate(65536))
	fill(m.Data[5:], 1)
	fmt.Println(m.Close(5))
}

func TestMmapFile_FileSizeLimit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	got, err := runChild(t, "file size limit", "ZMEM_TEST_FILE="+name)
	noError(t, err)
	const failed = ": file too large true hello 5\n"
	want := z.NewFile.Error() + "\n" +
		"z: MmapFile.Truncate: ftruncate " + name + failed +
		"z: MmapFile.AllocateSlice: ftruncate " + name + failed +
		"z: Mmap: fallocate " + name + failed +
		"true\nz: OpenMmapFile: ftruncate " + name + "2" + failed +
		"<nil> false hello 65536\n<nil>\n"
	if got != want {
		t.Fatalf("it printed:\n%swant:\n%s", got, want)
	}
	wantFile(t, name, "hello")
	wantFile(t, name+"2", "")
}

func init() { children["full disk"] = fullDisk }

// fullDisk works on a file system of 1 MiB, in a mount namespace of its own.
func fullDisk() {
	dir := os.Getenv("ZMEM_TEST_DIR")
	name := filepath.Join(dir, "file")
	exit := func(err error) {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		exit(err)
	}
	m, err := z.OpenMmapFile(name, os.O_RDWR|os.O_CREATE, 600<<10, z.ReserveBlocks)
	if err != z.NewFile {
		exit(err)
	}
	fill(m.Data, 1)
	full := func(err error) {
		if !errors.Is(err, syscall.ENOSPC) {
			exit(fmt.Errorf("not a full disk: %w", err))
		}
		fmt.Println(strings.ReplaceAll(err.Error(), dir, "DIR"), len(m.Data))
		fill(m.Data, 2)
	}
	full(m.Truncate(2 << 20))
	_, _, err = m.AllocateSlice(500<<10, 600<<10)
	full(err)
	_, err = z.OpenMmapFile(name+"2", os.O_RDWR|os.O_CREATE, 600<<10, z.ReserveBlocks)
	full(err)
	// A hole that has no room is found out when the file is mapped for writing, not when it is written.
	if err := os.WriteFile(name+"3", nil, 0o666); err != nil {
		exit(err)
	}
	if err := os.Truncate(name+"3", 600<<10); err != nil {
		exit(err)
	}
	_, err = z.OpenMmapFile(name+"3", os.O_RDWR, 0, z.ReserveBlocks)
	full(err)
	sparse, err := z.OpenMmapFile(name+"3", os.O_RDWR, 0)
	if err != nil {
		exit(err)
	}
	full(sparse.Reserve(0, 600<<10))
	if err := sparse.Close(-1); err != nil {
		exit(err)
	}
	// A file that cannot be doubled grows to the end of the disk, in few steps.
	steps, size := 0, len(m.Data)
	for off := size; ; {
		if _, off, err = m.AllocateSlice(100, off); err != nil {
			break
		}
		if len(m.Data) != size {
			steps, size = steps+1, len(m.Data)
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || size < 1000<<10 || steps > 30 {
		exit(fmt.Errorf("%w at %d bytes after %d steps", err, size, steps))
	}
	fill(m.Data, 3)
	if err := m.Delete(); err != nil {
		exit(err)
	}
	fmt.Println("done")
}

// mountedChild runs children[name] in namespaces of its own, where it may mount file systems on the
// folder that ZMEM_TEST_DIR names, and wants it to print this.
func mountedChild(t *testing.T, name, want string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ZMEM_TEST_CHILD="+name, "ZMEM_TEST_DIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	got, err := cmd.CombinedOutput()
	if err != nil || string(got) != want {
		t.Fatalf("%v, and it printed:\n%swant:\n%s", err, got, want)
	}
}

func TestMmapFile_FullDisk(t *testing.T) {
	mountedChild(t, "full disk", `z: MmapFile.Truncate: fallocate DIR/file: no space left on device 614400
z: MmapFile.AllocateSlice: fallocate DIR/file: no space left on device 614400
z: OpenMmapFile: fallocate DIR/file2: no space left on device 614400
z: OpenMmapFile: fallocate DIR/file3: no space left on device 614400
z: MmapFile.Reserve: fallocate DIR/file3: no space left on device 614400
done
`)
}

func init() { children["reserve at once"] = reserveAtOnce }

// reserveAtOnce has two goroutines reserve what there is room for only once, on a file system of 16
// MiB. What one has reserved stays, though the other one fails.
func reserveAtOnce() {
	dir := os.Getenv("ZMEM_TEST_DIR")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		fmt.Println(err)
		return
	}
	for range 300 {
		m, err := z.OpenMmapFile(filepath.Join(dir, "file"), os.O_RDWR|os.O_CREATE, 20<<20)
		if err != z.NewFile {
			fmt.Println(err)
			return
		}
		var first, second error
		var wg sync.WaitGroup
		wg.Add(2)
		go func() {
			defer wg.Done()
			if first = m.Reserve(0, 10<<20); first == nil {
				m.Data[8<<20] = 7
			}
		}()
		go func() {
			defer wg.Done()
			second = m.Reserve(5<<20, 18<<20)
		}()
		wg.Wait()
		if (first == nil) == (second == nil) || first == nil && m.Data[8<<20] != 7 {
			fmt.Println(first, second, m.Data[8<<20])
			return
		}
		if err := m.Delete(); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("done")
}

func TestMmapFile_ReserveAtOnce(t *testing.T) { mountedChild(t, "reserve at once", "done\n") }

func init() { children["no fallocate"] = noFallocate }

// noFallocate works on a file system that cannot reserve blocks, in a mount namespace of its own.
func noFallocate() {
	dir := os.Getenv("ZMEM_TEST_DIR")
	err := syscall.Mount("ramfs", dir, "ramfs", 0, "")
	if err == nil {
		var m *z.MmapFile
		m, err = z.OpenMmapFile(filepath.Join(dir, "file"), os.O_RDWR|os.O_CREATE, 100_000)
		if err == z.NewFile {
			fill(m.Data, 1)
			err = m.Truncate(300_000)
			fmt.Println(err, len(m.Data), isZero(m.Data[100_000:]), isZero(m.Data[:1]))
			fill(m.Data, 2)
			err = m.Close(-1)
		}
	}
	fmt.Println(err)
	fd, err := os.OpenFile(filepath.Join(dir, "file"), os.O_RDWR, 0)
	fmt.Println(err, syscall.Fallocate(int(fd.Fd()), 0, 0, 1)) // so it is
}

func TestMmapFile_NoFallocate(t *testing.T) {
	mountedChild(t, "no fallocate", "<nil> 300000 true false\n<nil>\n<nil> operation not supported\n")
}

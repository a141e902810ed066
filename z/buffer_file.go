package z

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/zmem-go/zmem/c"
)

// tmpDir is what SetTmpDir was called with last.
var tmpDir atomic.Pointer[string]

// SetTmpDir sets the folder for temporary files where none is named: at first, and again after
// SetTmpDir(""), os.TempDir(). Buffers that have one already keep it.
func SetTmpDir(dir string) { tmpDir.Store(&dir) }

// orTmpDir is dir, or the folder to use where it is "".
func orTmpDir(dir string) string {
	if set := tmpDir.Load(); dir == "" && set != nil {
		dir = *set
	}
	if dir == "" {
		dir = os.TempDir()
	}
	return dir
}

// NewBufferTmp makes a Buffer that is a mapping of a temporary file in dir from the start ("": see
// SetTmpDir), for more than fits into memory. The file has no name, so that nothing of it is left
// when the process ends, however that is. Its disk blocks are reserved before they are used: a full
// disk is an error when the Buffer grows. capacity is as for NewBuffer; the error is as for
// TryGrow.
func NewBufferTmp(dir string, capacity int) (*Buffer, error) {
	const call = "NewBufferTmp"
	mustInit()
	dir = orTmpDir(dir)
	n := size(call, capacity)
	if err := checkPath(call, dir); err != nil {
		return nil, err
	}
	var cause c.Cause
	var k *c.Buffer
	if err := retry(0, func() (err c.Err) {
		k, err = c.NewBufferTmp(dir, n, &cause)
		return err
	}); err != c.OK {
		return nil, fileError(call, dir, err, &cause)
	}
	attribute(k, nil)
	b := &Buffer{ctl: k, path: dir}
	watchRelease(b, k, "Buffer", held)
	return b, nil
}

// NewBufferPersistent opens the Buffer in the file of that name, or makes it where there is none,
// or an empty one. capacity is as for NewBuffer.
//
// The Buffer has what Sync, Reset or Release committed last: if the process is killed, what was
// appended since then is gone. What was changed in place since then, before the committed length,
// stays changed. Until Release, the file takes the room that the Buffer has grown to, and belongs
// to it alone: cutting it makes the program crash. So does the name path + ".zmem-new", which sorts
// use: a Buffer's file there, or an empty one, is what a process that was killed has left, and is
// removed.
//
// The error is as for TryGrow, or ErrInUse where the file is open as a Buffer already, ErrCorrupt
// where it is no Buffer's or was cut, or ErrVersion. The file is left as it was then.
func NewBufferPersistent(path string, capacity int) (*Buffer, error) {
	const call = "NewBufferPersistent"
	mustInit()
	n := size(call, capacity)
	if err := checkPath(call, path); err != nil {
		return nil, err
	}
	var cause c.Cause
	var k *c.Buffer
	if err := retry(0, func() (err c.Err) {
		k, err = c.OpenBuffer(path, n, &cause)
		return err
	}); err != c.OK {
		return nil, fileError(call, path, err, &cause)
	}
	attribute(k, nil)
	b := &Buffer{ctl: k, path: path}
	watchRelease(b, k, "Buffer", held)
	return b, nil
}

// checkPath refuses what would be another path in C.
func checkPath(call, path string) error {
	if strings.IndexByte(path, 0) < 0 {
		return nil
	}
	return fmt.Errorf("z: %s: %w", call,
		&fs.PathError{Op: "open", Path: path, Err: syscall.EINVAL})
}

// WithAutoMmap makes the Buffer move to a temporary file in dir ("": see SetTmpDir), as
// NewBufferTmp makes it, rather than grow past threshold bytes, and returns the Buffer. 0 turns
// that off. It panics on a Buffer that is in a file already or comes from NewBufferSlice.
func (b *Buffer) WithAutoMmap(threshold int, dir string) *Buffer {
	return b.spill("WithAutoMmap", threshold, dir)
}

func (b *Buffer) spill(method string, threshold int, dir string) *Buffer {
	k := b.use(method)
	n := size("Buffer."+method, threshold)
	if n == 0 {
		n = math.MaxUint
	}
	dir = orTmpDir(dir)
	must(checkPath("Buffer."+method, dir))
	if k.Kind != c.BufferHeap && k.Kind != c.BufferAnon {
		panic("z: Buffer." + method + ": the Buffer is not in memory of its own")
	}
	b.path = dir
	must(b.failed(method, k.SetSpill(n, dir), nil))
	return b
}

// AutoMmapAfter is WithAutoMmap in the folder for temporary files.
func (b *Buffer) AutoMmapAfter(size int) *Buffer { return b.spill("AutoMmapAfter", size, "") }

// InFile says whether the Buffer is in a file, a temporary one or its own, rather than in memory.
func (b *Buffer) InFile() bool {
	k := b.use("InFile")
	return k.Kind == c.BufferTmp || k.Kind == c.BufferFile
}

// Sync writes a Buffer of NewBufferPersistent to disk and commits what it holds: opened again, it
// has at least that. The name of a new file is on disk once its folder is synced, too. For other
// Buffers Sync does nothing. An error is a *fs.PathError, as errors.As finds it.
func (b *Buffer) Sync() error {
	k := b.use("Sync")
	if k.Kind != c.BufferFile {
		return nil
	}
	var cause c.Cause
	return b.failed("Sync", k.Sync(&cause), &cause)
}

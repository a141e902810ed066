package z

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/zmem-go/zmem/c"
)

// ErrOutOfMemory is what errors.Is finds in the error or panic of an allocation for which the
// system has no memory, or which is larger than any machine has.
var ErrOutOfMemory = errors.New("out of memory")

// What errors.Is finds in the errors of a Buffer, beside ErrOutOfMemory and those of the system
// (fs.ErrNotExist, fs.ErrPermission, syscall.ENOSPC and so on).
var (
	// ErrLimit: it would pass the size set by WithMaxSize.
	ErrLimit = errors.New("beyond the limit")
	// ErrInUse: the file is open as a Buffer already, here or in another process.
	ErrInUse = errors.New("in use by another Buffer")
	// ErrCorrupt: the file is no Buffer's, or is damaged.
	ErrCorrupt = errors.New("corrupt file")
	// ErrVersion: the file was written by a version of this package with another format.
	ErrVersion = errors.New("unknown file version")
)

// outOfMemory is why an allocation of n bytes gave nothing. It panics where the reason is not
// memory but a backend that does not exist.
func outOfMemory(n int) error {
	mustInit()
	return fmt.Errorf("z: allocating %d bytes: %w", n, ErrOutOfMemory)
}

// mustInit panics unless a backend could be chosen.
func mustInit() {
	if c.Init() != c.OK {
		panic(fmt.Sprintf("z: ZMEM_BACKEND=%s: no such backend in this build, which has: %s",
			os.Getenv("ZMEM_BACKEND"), strings.Join(Backends(), ", ")))
	}
}

// wrap turns an error of the core into one of this package; nil for c.OK.
func wrap(call string, err c.Err) error {
	switch err {
	case c.OK:
		return nil
	case c.ENOMEM:
		return fmt.Errorf("z: %s: %w", call, ErrOutOfMemory)
	default:
		return fmt.Errorf("z: %s: %w", call, err)
	}
}

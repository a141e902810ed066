package z

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/zmem-go/zmem/c"
)

// ErrOutOfMemory is what errors.Is finds in the error or panic of an allocation for which the
// system has no memory, or which is larger than any machine has.
var ErrOutOfMemory = errors.New("out of memory")

// What errors.Is finds in the errors of a Buffer, beside ErrOutOfMemory and those of the system
// (fs.ErrNotExist, fs.ErrPermission, syscall.ENOSPC and so on).
var (
	// ErrLimit: it would pass the size set by WithMaxSize; or, in the error or panic of any call that
	// allocates, the limit set by SetLimit, where it is ErrOutOfMemory as well: who can do without the
	// memory need not tell the two apart.
	ErrLimit = errors.New("beyond the limit")
	// ErrInUse: the file is open as a Buffer already, here or in another process.
	ErrInUse = errors.New("in use by another Buffer")
	// ErrCorrupt: the file is no Buffer's, or is damaged.
	ErrCorrupt = errors.New("corrupt file")
	// ErrNoRecord: what is to be sorted are not records, or they are too short for the key.
	ErrNoRecord = errors.New("no record")
	// ErrVersion: the file was written by a version of this package with another format.
	ErrVersion = errors.New("unknown file version")
)

// noMemory is why an allocation of n bytes failed with err. It panics where the reason is not memory
// but a backend that does not exist.
func noMemory(n int, err c.Err) error {
	if err == c.ELIMIT {
		return fmt.Errorf("z: allocating %d bytes: %w: %w", n, ErrOutOfMemory, ErrLimit)
	}
	mustInit()
	return fmt.Errorf("z: allocating %d bytes: %w", n, ErrOutOfMemory)
}

// mustInit panics unless a backend could be chosen.
func mustInit() {
	if c.Init() == c.EBACKEND {
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
	case c.ELIMIT:
		return fmt.Errorf("z: %s: %w: %w", call, ErrOutOfMemory, ErrLimit)
	default:
		return fmt.Errorf("z: %s: %w", call, err)
	}
}

// fileError is the error of a call that concerns a file or a folder in words; nil for c.OK.
func fileError(call, path string, err c.Err, cause *c.Cause) error {
	switch err {
	case c.ESYS:
		return pathError(call, cause.What(), path, syscall.Errno(cause.Code))
	case c.ECORRUPT:
		return fmt.Errorf("z: %s: %s: %w: %s", call, path, ErrCorrupt, cause.What())
	case c.EVERSION:
		return fmt.Errorf("z: %s: %s: %w", call, path, ErrVersion)
	case c.EBUSY:
		return fmt.Errorf("z: %s: %s: %w", call, path, ErrInUse)
	default:
		return wrap(call, err)
	}
}

// callError says which call of this package failed; nil for nil.
func callError(call string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("z: %s: %w", call, err)
}

// pathError says which call of this package, and what on which file, failed with err.
func pathError(call, op, path string, err error) error {
	return callError(call, &fs.PathError{Op: op, Path: path, Err: err})
}

// mapError is fileError where the file is not known.
func mapError(call string, err c.Err, cause *c.Cause) error {
	if err != c.ESYS {
		return wrap(call, err)
	}
	return callError(call, os.NewSyscallError(cause.What(), syscall.Errno(cause.Code)))
}

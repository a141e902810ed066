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

// ErrLimit is what errors.Is finds in the error or panic of an allocation that would pass the limit
// set by SetLimit. It finds ErrOutOfMemory there as well: who can do without the memory need not tell
// the two apart.
var ErrLimit = errors.New("beyond the limit")

// noMemory is why an allocation of n bytes failed with err.
func noMemory(n int, err c.Err) error {
	if err == c.ELIMIT {
		return fmt.Errorf("z: allocating %d bytes: %w: %w", n, ErrOutOfMemory, ErrLimit)
	}
	return outOfMemory(n)
}

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
	case c.ELIMIT:
		return fmt.Errorf("z: %s: %w: %w", call, ErrOutOfMemory, ErrLimit)
	default:
		return fmt.Errorf("z: %s: %w", call, err)
	}
}

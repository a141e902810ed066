//go:build !linux

package resident

import (
	"errors"
	"fmt"
)

func read() (all, files int64, err error) {
	return 0, 0, fmt.Errorf("resident: %w: only Linux has /proc/self/statm", errors.ErrUnsupported)
}

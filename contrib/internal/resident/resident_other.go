//go:build !linux

package resident

import (
	"errors"
	"fmt"
)

func read() (int64, error) {
	return 0, fmt.Errorf("resident: %w: only Linux has /proc/self/statm", errors.ErrUnsupported)
}

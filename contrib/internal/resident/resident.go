// Package resident tells how much physical memory this process holds.
package resident

import (
	"bytes"
	"fmt"
	"strconv"
)

// Bytes returns the process's resident memory in bytes, as the kernel counts it: the Go heap, what
// C allocated and the program's own pages together. It takes a few microseconds, and any goroutine
// may call it. Elsewhere than on Linux it fails with errors.ErrUnsupported.
func Bytes() (int64, error) {
	return read()
}

// parse returns the second number of /proc/self/statm, which counts resident pages.
func parse(statm []byte, pageSize int64) (int64, error) {
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0, fmt.Errorf("resident: statm holds %q", statm)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil || pages < 0 {
		return 0, fmt.Errorf("resident: statm holds %q", statm)
	}
	return pages * pageSize, nil
}

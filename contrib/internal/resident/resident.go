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
	all, _, err := read()
	return all, err
}

// Split returns what Bytes does, and how much of it are pages of files that the process has mapped:
// the kernel can write these out, where the files are on a disk, and take them back.
func Split() (all, files int64, err error) {
	return read()
}

// parse returns the second and the third number of /proc/self/statm, which count resident pages and
// those of files among them.
func parse(statm []byte, pageSize int64) (all, files int64, err error) {
	if fields := bytes.Fields(statm); len(fields) >= 3 {
		a, errA := strconv.ParseUint(string(fields[1]), 10, 48)
		f, errF := strconv.ParseUint(string(fields[2]), 10, 48)
		if errA == nil && errF == nil {
			return int64(a) * pageSize, int64(f) * pageSize, nil
		}
	}
	return 0, 0, fmt.Errorf("resident: statm holds %q", statm)
}

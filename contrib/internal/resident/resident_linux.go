package resident

import (
	"os"
	"sync"
)

// The file stays open: to open it for every sample would be most of a sample's cost.
var statm = sync.OnceValues(func() (*os.File, error) {
	return os.Open("/proc/self/statm")
})

func read() (all, files int64, err error) {
	f, err := statm()
	if err != nil {
		return 0, 0, err
	}
	var buf [128]byte
	n, err := f.ReadAt(buf[:], 0)
	if n == 0 {
		return 0, 0, err
	}
	return parse(buf[:n], int64(os.Getpagesize()))
}

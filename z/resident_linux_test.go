package z_test

import (
	"fmt"
	"os"
)

// resident is how much physical memory this process has, in bytes.
func resident() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(statm), &size, &pages); err != nil {
		panic(err)
	}
	return pages * int64(os.Getpagesize())
}

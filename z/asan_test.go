//go:build asan && !leak

package z_test

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

func init() {
	children["read after free"] = func() {
		b := z.Calloc(64)
		z.Free(b)
		println(b[3])
	}
	children["free twice"] = func() {
		b := z.Calloc(64)
		z.Free(b)
		z.Free(b)
	}
	children["write behind the end"] = func() {
		b := z.Calloc(60) // of a class of 64
		defer z.Free(b)
		*(*byte)(unsafe.Add(unsafe.Pointer(&b[0]), 60)) = 1
	}
}

// A block in a cache is free: AddressSanitizer stops whoever touches it, and whoever writes between
// the end of a slice and that of its block.
func TestCache_BlocksArePoisoned(t *testing.T) {
	for name, want := range map[string]string{
		"read after free":      "AddressSanitizer: use-after-poison",
		"free twice":           "AddressSanitizer: use-after-poison",
		"write behind the end": "AddressSanitizer: heap-buffer-overflow",
	} {
		out, err := runChild(t, name)
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

//go:build jemalloc

package alloc

import (
	"unsafe"

	"github.com/dgraph-io/ristretto/v2/z"
)

func init() {
	newGCNode["ristretto"] = func() *gcNode {
		return (*gcNode)(unsafe.Pointer(&z.Calloc(gcNodeSize, "bench")[0]))
	}
}

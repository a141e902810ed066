//go:build zmem_check && gc && !zmem_nolinkname && !leak

package z

import (
	"sync/atomic"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// checkCaches verifies that no cache is in use, retired or spare at once, and that the spare ones are
// empty. cachesMu is held.
func checkCaches() {
	owners := map[unsafe.Pointer]string{}
	add := func(k unsafe.Pointer, owner string) {
		verify(owners[k] == "", "cache %p is %s and %s", k, owners[k], owner)
		owners[k] = owner
	}
	for i := range caches {
		if k := atomic.LoadPointer(&caches[i]); k != nil {
			add(k, "a P's")
		}
	}
	for _, k := range retired {
		add(unsafe.Pointer(k), "retired")
	}
	for _, k := range spare {
		add(unsafe.Pointer(k), "spare")
		for class := range k.Shelves {
			s := &k.Shelves[class]
			verify(s.Loaded == c.NoMagazine && s.Previous == c.NoMagazine, "spare cache %p has blocks", k)
		}
	}
}

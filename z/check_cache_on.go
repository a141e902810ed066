//go:build zmem_check && !leak

package z

import (
	"fmt"

	"github.com/zmem-go/zmem/c"
)

// checkShelf verifies a shelf of the pinned cache k. What a panic says is made before, and k unpinned.
func checkShelf(k pinned, class uint) {
	if wrong := shelfFault(&k.Shelves[class]); wrong != "" {
		unpin(k)
		panic(fmt.Sprintf("z: check: shelf of class %d: %s", class, wrong))
	}
}

// shelfFault says what does not hold of a shelf; "" where all does.
func shelfFault(s *c.Shelf) string {
	loaded, previous, none := s.Loaded, s.Previous, c.NoMagazine
	switch {
	case none.Len != 0 || none.Cap != 0:
		return fmt.Sprintf("NoMagazine was written to: len %d, cap %d", none.Len, none.Cap)
	case loaded == nil || previous == nil:
		return fmt.Sprintf("loaded %p, previous %p", loaded, previous)
	case loaded == previous && loaded != none:
		return fmt.Sprintf("magazine %p is both loaded and previous", loaded)
	case s.Cap != loaded.Cap:
		return fmt.Sprintf("cap %d, the loaded magazine's %d", s.Cap, loaded.Cap)
	case s.Len > s.Cap:
		return fmt.Sprintf("len %d, cap %d", s.Len, s.Cap)
	case previous.Len > previous.Cap:
		return fmt.Sprintf("previous: len %d, cap %d", previous.Len, previous.Cap)
	}
	return ""
}

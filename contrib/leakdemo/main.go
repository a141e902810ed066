// Leakdemo leaks manual memory from three places, and keeps Go pointers in it, on purpose:
// docs/hunting-leaks.md finds them.
//
//	go run ./leakdemo                                 how it grows
//	ZMEM_LEAKS=1 go run -tags leak ./leakdemo         who holds what
//	go run -tags leak ./leakdemo -pointers            where the Go pointers are
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

func main() {
	defer z.ReportLeaks()
	rounds := flag.Int("rounds", 3, "how often all is done")
	pointers := flag.Bool("pointers", false, "print the Go pointers that are in manual memory")
	flag.Parse()
	if *rounds < 0 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "leakdemo: -rounds takes a number that is not negative, and there are no arguments")
		os.Exit(2)
	}

	var s store
	for round := range *rounds {
		s.reload(1 << 20)
		for i := range 100 {
			s.put(i)
		}
		for i := range 10 {
			_ = s.parse(i) // what it cannot parse is as good as not there
		}
		fmt.Printf("round %d: %d bytes in %d blocks\n", round+1, z.NumAllocBytes(), z.NumAllocs())
	}
	if *pointers {
		fmt.Print(z.FindGoPointers())
	}
	s.close()
}

// store is an index, and a cache in front of it.
type store struct {
	index []byte
	cache map[int]*entry
}

// entry lies in manual memory.
type entry struct {
	key  int
	name string // a mistake of another kind: its bytes are the collector's
	next *entry
}

const entrySize = int(unsafe.Sizeof(entry{}))

// reload makes a new index. The first leak: the old one is not freed.
func (s *store) reload(n int) {
	s.index = z.Calloc(n, "index")
}

// put makes an entry. The second leak: an entry that was there already is forgotten.
func (s *store) put(key int) {
	if s.cache == nil {
		s.cache = map[int]*entry{}
	}
	s.cache[key] = newEntry(key)
}

func newEntry(key int) *entry {
	e := (*entry)(unsafe.Pointer(&z.Calloc(entrySize, "entry")[0]))
	e.key = key
	e.name = "entry number " + strconv.Itoa(key)
	return e
}

func (e *entry) free() { z.Free(unsafe.Slice((*byte)(unsafe.Pointer(e)), entrySize)) }

var errOdd = errors.New("odd")

// parse needs a buffer for a while. The third leak: not where it fails.
func (s *store) parse(n int) error {
	buf := z.Calloc(4096)
	if n%2 == 1 {
		return errOdd
	}
	buf[0] = byte(n)
	z.Free(buf)
	return nil
}

// close frees all that the store knows of.
func (s *store) close() {
	z.Free(s.index)
	for _, e := range s.cache {
		e.free()
	}
	*s = store{}
}

// Leakdemo leaks manual memory from three places, keeps Go pointers in it, and, if asked to, writes
// where it must not, all on purpose: docs/hunting-leaks.md finds the places.
//
//	go run ./leakdemo                                 how it grows
//	go run ./leakdemo -profile leaks.pb.gz            who holds what, for go tool pprof
//	ZMEM_LEAKS=1 go run -tags leak ./leakdemo         the same, block by block
//	go run -tags leak ./leakdemo -pointers            where the Go pointers are
//	go run ./leakdemo -mistake overflow               a write behind a block
//	go run ./leakdemo -mistake use-after-free         a write to one that was freed
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
	profile := flag.String("profile", "", "write a profile of what is left to `file`")
	rate := flag.Int("rate", z.DefaultProfileRate, "sample one in so many `bytes`; 1: every block")
	mistake := flag.String("mistake", "", "make a `mistake`, with all small blocks guarded: overflow or use-after-free")
	flag.Parse()
	if *rounds < 0 || *rate < 0 || flag.NArg() > 0 || *mistake != "" && mistakes[*mistake] == nil {
		flag.Usage()
		os.Exit(2)
	}
	z.SetProfileRate(*rate)
	if *mistake != "" {
		z.SetGuardRate(1)
		mistakes[*mistake]()
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
	if *profile != "" {
		if err := writeProfile(*profile); err != nil {
			fmt.Fprintln(os.Stderr, "leakdemo:", err)
			os.Exit(1)
		}
	}
}

func writeProfile(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(z.WriteHeapProfile(f), f.Close())
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

//go:build unix

package z_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/zmem-go/zmem/z"
)

func ExampleMmapFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	m, err := z.OpenMmapFile(filepath.Join(dir, "names"), os.O_RDWR|os.O_CREATE, 64)
	if err == z.NewFile {
		fmt.Println("the file is new")
	} else if err != nil {
		log.Fatal(err)
	}
	end := 0
	for _, name := range []string{"Ada", "Grace", "Barbara"} {
		var b []byte
		if b, end, err = m.AllocateSlice(len(name), end); err != nil {
			log.Fatal(err)
		}
		copy(b, name)
	}
	for off := 0; off < end; off += 4 + len(m.Slice(off)) {
		fmt.Printf("%s\n", m.Slice(off))
	}
	if err := m.Close(int64(end)); err != nil {
		log.Fatal(err)
	}
	// Output:
	// the file is new
	// Ada
	// Grace
	// Barbara
}

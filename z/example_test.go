package z_test

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

func Example() {
	b := z.Calloc(1 << 20) // 1 MiB that the garbage collector never sees
	defer z.Free(b)
	copy(b, "hello")
	fmt.Printf("%s, and %d bytes are out\n", b[:5], z.NumAllocBytes())
	// Output: hello, and 1048576 bytes are out
}

func ExampleCalloc_struct() {
	type node struct {
		val  int
		next *node // manual memory too, never a node from new
	}
	newNode := func(val int, next *node) *node {
		n := (*node)(unsafe.Pointer(&z.Calloc(int(unsafe.Sizeof(node{})))[0]))
		n.val, n.next = val, next
		return n
	}
	freeNode := func(n *node) {
		z.Free(unsafe.Slice((*byte)(unsafe.Pointer(n)), unsafe.Sizeof(*n)))
	}

	var root *node
	for i := range 3 {
		root = newNode(i, root)
	}
	for n := root; n != nil; {
		fmt.Println(n.val)
		next := n.next
		freeNode(n)
		n = next
	}
	fmt.Println(z.NumAllocBytes(), "bytes left")
	// Output:
	// 2
	// 1
	// 0
	// 0 bytes left
}

func ExampleTryCalloc() {
	_, err := z.TryCalloc(z.MaxArrayLen)
	fmt.Println(errors.Is(err, z.ErrOutOfMemory))
	fmt.Println(err)
	// Output:
	// true
	// z: allocating 140737488355328 bytes: out of memory
}

func ExampleCallocAligned() {
	page := z.CallocAligned(4096, 4096)
	defer z.Free(page)
	fmt.Println(uintptr(unsafe.Pointer(&page[0])) % 4096)
	// Output: 0
}

func ExampleBuffer() {
	b := z.NewBuffer(0).WithAutoMmap(1<<30, "") // past 1 GiB it moves to a temporary file
	defer b.Release()
	for i := range 3 {
		fmt.Fprintf(b, "line %d, ", i)
	}
	fmt.Printf("%s%d bytes\n", b.Bytes(), b.LenNoPadding())
	// Output: line 0, line 1, line 2, 24 bytes
}

func ExampleBuffer_records() {
	type node struct{ val int64 }
	b := z.NewBuffer(0)
	defer b.Release()
	for i := range 3 {
		record := b.SliceAllocate(int(unsafe.Sizeof(node{})))
		(*node)(unsafe.Pointer(&record[0])).val = int64(i * i)
	}
	b.WriteSlice([]byte("records may differ in size"))

	for off, record := range b.All() {
		fmt.Println(off, len(record))
	}
	// Output:
	// 8 8
	// 24 8
	// 40 8
	// 56 26
}

func ExampleNewBufferPersistent() {
	dir, err := os.MkdirTemp("", "zmem")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for i := range 2 {
		b, err := z.NewBufferPersistent(dir+"/log", 0)
		if err != nil {
			panic(err)
		}
		b.WriteSlice(fmt.Appendf(nil, "entry %d", i))
		for record := range b.Records() {
			fmt.Printf("opened %d: %s\n", i, record)
		}
		if err := b.Release(); err != nil { // commits
			panic(err)
		}
	}
	// Output:
	// opened 0: entry 0
	// opened 1: entry 0
	// opened 1: entry 1
}

package z_test

import (
	"errors"
	"fmt"
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

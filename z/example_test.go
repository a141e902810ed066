package z_test

import (
	"errors"
	"fmt"
	"os"
	"sync"
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

func ExampleAllocator() {
	a := z.NewAllocator(1<<20, "index") // freed as a whole, by Release
	defer a.Release()

	type entry struct {
		hits int
		name [16]byte
	}
	e := z.New[entry](a) // a zero entry that the garbage collector never sees
	e.hits = 3
	copy(e.name[:], "an entry")

	line := a.Copy([]byte("a line of text"))
	fmt.Printf("%d, %s, %s\n", e.hits, e.name[:8], line)
	fmt.Println(a.Size(), "bytes used of", a.Allocated())

	b := z.AllocatorFrom(a.Ref) // from another place that knows the number
	fmt.Println(b == a)
	// Output:
	// 3, an entry, a line of text
	// 40 bytes used of 1048576
	// true
}

func ExampleAllocator_Cursor() {
	a := z.NewAllocator(1 << 20)
	defer a.Release()
	var wg sync.WaitGroup
	var sums [4]int
	for i := range sums {
		wg.Add(1)
		go func() {
			defer wg.Done() // after Close: Release is to find nobody at work
			k := a.Cursor() // of its own, for which no other goroutine waits
			defer k.Close()
			for range 1000 {
				sums[i] += len(k.Allocate(16))
			}
		}()
	}
	wg.Wait()
	fmt.Println(sums)
	// Output: [16000 16000 16000 16000]
}

func ExampleAllocatorPool() {
	p := z.NewAllocatorPool(8)
	defer p.Release()
	for i := range 3 { // requests, say
		a := p.Get(1<<16, "request") // the chunks of the one before
		fmt.Printf("%s%d ", a.Copy([]byte("request ")), i)
		p.Return(a)
	}
	// Output: request 0 request 1 request 2
}

func ExamplePtr() {
	type node struct {
		val  int
		next z.Ptr[node] // with a *node here, New would refuse it
		name z.Slice[byte]
	}
	a := z.NewAllocator(4096)
	defer a.Release()
	var root z.Ptr[node]
	for i := range 3 {
		n := z.New[node](a)
		n.val, n.next = i, root
		n.name.Set(a.Copy(fmt.Appendf(nil, "node %d", i)))
		root.Set(n)
	}
	for n := root.Get(); n != nil; n = n.next.Get() {
		fmt.Printf("%s ", n.name.Get())
	}
	// Output: node 2 node 1 node 0
}

func ExampleNewUnchecked() {
	type node struct {
		val  int
		next *node // only ever a node from the same Allocator, or the collector frees it
	}
	a := z.NewAllocator(4096)
	defer a.Release()
	var root *node
	for i := range 3 {
		n := z.NewUnchecked[node](a)
		n.val, n.next = i, root
		root = n
	}
	for n := root; n != nil; n = n.next {
		fmt.Print(n.val, " ")
	}
	// Output: 2 1 0
}

func ExampleMakeSlice() {
	a := z.NewAllocator(4096)
	defer a.Release()
	primes := z.MakeSlice[uint32](a, 0, 4)
	primes = append(primes, 2, 3, 5, 7) // in place; a fifth would move it to the Go heap
	fmt.Println(primes, cap(primes))
	// Output: [2 3 5 7] 4
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

// Demo builds a linked list of two million nodes, walks it, frees it, and says where the memory
// was. The build tags decide where that is; the program is the same:
//
//	go run ./demo                           the Go heap
//	go run -tags jemalloc ./demo            manual memory, one z.Calloc a node
//	go run -tags jemalloc,allocator ./demo  manual memory, all nodes on a z.Allocator
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"

	"github.com/dustin/go-humanize"

	"github.com/zmem-go/zmem/z"
)

// node is laid on manual memory, so that next may point to a node from newNode and to nothing
// else.
type node struct {
	val  int
	next *node
}

func main() {
	n := flag.Int("n", 2_000_001, "number of `nodes`")
	quiet := flag.Bool("quiet", false, "do the work and print nothing, for timing")
	flag.Parse()
	if *n < 0 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "demo: -n takes a number that is not negative, and there are no arguments")
		os.Exit(2)
	}

	root := build(*n)
	count, sum := walk(root)
	if want := *n * (*n - 1) / 2; count != *n || sum != want {
		fmt.Fprintf(os.Stderr, "demo: the list has %d nodes with sum %d, want %d with %d\n",
			count, sum, *n, want)
		os.Exit(1)
	}
	if !*quiet {
		fmt.Printf("Nodes on: %s\n", where)
		fmt.Printf("Allocated memory: %s Objects: %d\n", size(z.NumAllocBytes()), z.NumAllocs())
		fmt.Printf("Nodes: %d\n", count)
		fmt.Printf("HeapAlloc: %s\n", size(heapAlloc()))
	}
	free(root)
	if !*quiet {
		fmt.Printf("After freeing. Allocated memory: %s Objects: %d\n",
			size(z.NumAllocBytes()), z.NumAllocs())
	}
}

// build makes the list n-1, ..., 1, 0.
func build(n int) *node {
	var root *node
	for i := range n {
		head := newNode()
		head.val, head.next = i, root
		root = head
	}
	return root
}

func walk(root *node) (count, sum int) {
	for n := root; n != nil; n = n.next {
		count++
		sum += n.val
	}
	return count, sum
}

func free(root *node) {
	for root != nil {
		next := root.next
		freeNode(root)
		root = next
	}
	freeRest()
}

func heapAlloc() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// size is a number of bytes in words, such as "31 MiB".
func size(n int64) string { return humanize.IBytes(uint64(n)) }

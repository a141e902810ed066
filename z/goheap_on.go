//go:build leak

package z

import (
	"fmt"
	"reflect"
	"runtime/cgo"
	"strings"
	"unsafe"
)

// goHeap tells addresses in the Go heap and on the stacks of goroutines from all others.
//
// Where the Go heap is, no function of the runtime says; since Go 1.26 it begins at random. But
// reflect looks after pointers to types that C owns, of which cgo.Incomplete makes one: they must not
// point into it. Value.Pointer asks the runtime whether a span of pages has ever been there (spanOf),
// and panics where one has. The collector ignores such pointers, so that any number may stand in one.
type goHeap struct {
	p *struct{ _ cgo.Incomplete }
	v reflect.Value // p
}

func newGoHeap() *goHeap {
	h := new(goHeap)
	h.v = reflect.ValueOf(&h.p).Elem()
	known := []uintptr{uintptr(unsafe.Pointer(h))}
	if h.next(known, 0) != 0 {
		panic("z: FindGoPointers: this version of Go does not tell what is in its heap")
	}
	return h
}

// next is the index of the first of words, from i on, that is an address in the Go heap; len(words)
// if none is.
func (h *goHeap) next(words []uintptr, i int) (at int) {
	defer func() {
		if r := recover(); r != nil && !strings.Contains(fmt.Sprint(r), "invalid notinheap pointer") {
			panic(r)
		}
	}()
	for at = i; at < len(words); at++ {
		if w := words[at]; w >= minAddress && w != clobbered {
			*(*uintptr)(unsafe.Pointer(&h.p)) = w
			h.v.Pointer()
		}
	}
	return at
}

const (
	// minAddress saves asking about small numbers: no system maps its first page.
	minAddress = 4096
	// clobbered is what the compiler may be told to put into dead variables, and reflect refuses.
	clobbered = uintptr(0xdeaddead | 0xdeaddead<<(^uintptr(0)>>63*32))
)

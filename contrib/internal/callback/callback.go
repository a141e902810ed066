// Package callback calls Go by way of C, so that tests can look at stacks with C in between.
package callback

// #include <stdint.h>
// extern void zmemCallback(uintptr_t f);
// static void call(uintptr_t f) { zmemCallback(f); }
import "C"

import "runtime/cgo"

// Through has C call f.
func Through(f func()) {
	handle := cgo.NewHandle(f)
	defer handle.Delete()
	C.call(C.uintptr_t(handle))
}

//export zmemCallback
func zmemCallback(f C.uintptr_t) { cgo.Handle(f).Value().(func())() }

//go:build zmem_check

package c

// The whole package is compiled with ZM_CHECK: see the check build in zm_internal.h.

// #cgo CFLAGS: -DZM_CHECK
// #include "zm_internal.h"
//
// /* The lock is taken here, so that Go can look at windows of its own. */
// static void check_window(zm_allocator_t *a, const zm_window_t *w)
// {
//     pthread_mutex_lock(&a->lock);
//     zm__check_window(a, w);
//     pthread_mutex_unlock(&a->lock);
// }
import "C"

import "unsafe"

// CheckWindow ends the program where w is no window of a's.
func (a *Allocator) CheckWindow(w *Window) {
	C.check_window(a.c(), (*C.zm_window_t)(unsafe.Pointer(w)))
}

// CheckRest is zm__check_rest.
func CheckRest() { C.zm__check_rest() }

//go:build asan

package c

// #include "zm_internal.h"
import "C"

import "unsafe"

// Poison and Unpoison are zm__poison and zm__unpoison.
func Poison(p unsafe.Pointer, n uintptr)   { C.zm__poison(p, C.size_t(n)) }
func Unpoison(p unsafe.Pointer, n uintptr) { C.zm__unpoison(p, C.size_t(n)) }

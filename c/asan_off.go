//go:build !asan

package c

import "unsafe"

// Poison and Unpoison do nothing without AddressSanitizer.
func Poison(unsafe.Pointer, uintptr)   {}
func Unpoison(unsafe.Pointer, uintptr) {}

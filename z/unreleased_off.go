//go:build !leak

package z

// watchRelease and released do nothing without the leak tag.
func watchRelease[T, C any](*T, *C, string, func(*C) uint64) {}
func released[C any](*C)                                     {}

func waitForFinalizers() {}

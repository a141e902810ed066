//go:build !leak

package z

const findingOff = trackingOff + "Go pointers in manual memory\n"

// FindGoPointers looks for Go pointers in manual memory, under the leak tag; here it finds none, and
// String of what it returns says how to turn that on.
func FindGoPointers() GoPointers { return nil }

//go:build !leak

package z

// watchRelease and released do nothing without the leak tag.
func watchRelease[T any](*T, string, func(*T) int64) {}
func released[T any](*T)                             {}

func waitForFinalizers() {}

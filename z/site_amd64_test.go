//go:build gc

package z

import "testing"

// hashAtDepth is the hash of a stack with n calls of atDepth on it.
func hashAtDepth(n int) (hash uint64) {
	atDepth(n, func() { hash = hashStack() })
	return hash
}

// Every stack of Go's is known, and told apart from others as far as it is looked at.
func TestHashStack(t *testing.T) {
	depths := map[uint64]int{}
	for n := range maxFrames - 20 {
		hash := hashAtDepth(n)
		if other, seen := depths[hash]; seen || hash == 0 {
			t.Errorf("depths %d and %d have the hash %#x", other, n, hash)
		}
		depths[hash] = n
	}
	if hashAtDepth(2*maxFrames) != hashAtDepth(3*maxFrames) {
		t.Errorf("more than %d frames are looked at", maxFrames)
	}
}

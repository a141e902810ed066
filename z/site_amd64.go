//go:build gc

package z

// hashStack is a hash of the return addresses of the frames on the caller's stack, as far as they go
// and at most maxFrames of them: functions that are inlined have none, nor has the caller of one that
// has no frame, as one in assembly may, and one that faulted. It is 0 where C code lies between,
// which need not keep frame pointers. In assembly, as the stack must not move meanwhile.
func hashStack() uint64

//go:build gc

package z

// framePCs writes the return addresses of the frames on the caller's stack to pcs, innermost first,
// as far as they go, and returns how many: functions that are inlined have none, nor has the caller
// of one that has no frame, as one in assembly may, and one that faulted. It is 0 where C code lies
// between, which need not keep frame pointers. In assembly, as the stack must not move meanwhile.
//
//go:noescape
func framePCs(pcs *[maxFrames]uintptr) int

// Package z is manual memory: bytes that the garbage collector neither sees nor moves nor frees.
//
//	b := z.Calloc(1 << 20) // 1 MiB of zeroes
//	defer z.Free(b)
//
// The memory comes from a C allocator (libc's, or jemalloc under the build tag of that name) and
// looks like any other byte slice. It does not count towards GOGC, is never scanned, and stays
// until Free. Structs are laid on it by converting the address of its first byte:
//
//	n := (*node)(unsafe.Pointer(&z.Calloc(int(unsafe.Sizeof(node{})))[0]))
//
// Many small things that are freed together come from an Allocator, for a nanosecond or three each:
//
//	a := z.NewAllocator(1 << 20)
//	defer a.Release()
//	n := z.New[node](a)
//
// Buffer is bytes or records appended one after another, which moves to a file when it gets large:
//
//	b := z.NewBuffer(0).WithAutoMmap(1<<30, "")
//	defer b.Release()
//
// # Two rules
//
// Who allocates, frees. A slice from this package is valid until it is passed to Free, once; a use
// after that reads or writes memory that may be somebody else's by then. What came from an
// Allocator is valid until that is reset or released, and not passed to Free. Nothing is freed by
// itself. NumAllocBytes tells how much is out, and Leaks, under the leak tag, who took it. Package
// ztest fails tests that leave something.
//
// No Go pointers in manual memory. The collector does not look there. A Go pointer, string, slice,
// map, channel, interface or func stored in manual memory does not keep alive what it points to:
// the collector frees that, and the program fails later, far away, with "unexpected fault
// address". Everything that can be reached from manual memory is to be manual memory as well.
// New and MakeSlice refuse types that could hold such a pointer; Ptr and Slice are for those that point
// to manual memory. docs/memory-rules.md shows what is safe and what is not, and FindGoPointers, under
// the leak tag, finds what is not.
//
// # Limits
//
// SetLimit bounds manual memory: an allocation beyond it fails with ErrLimit. OnPressure has a
// function called before, and a refused allocation waits for it. SetMemoryLimit keeps manual memory
// and the Go heap together under one number, and AdoptGoMemoryLimit takes that from GOMEMLIMIT.
//
// # Goroutines
//
// All functions may be called by any goroutine at any time, and so may methods, unless their comment
// says otherwise: a Buffer's and a Cursor's are for one at a time. The memory itself is as safe to
// share as any other slice, no more; the race detector does not watch it.
//
// # Finding bugs
//
// WriteHeapProfile writes a profile of manual memory for `go tool pprof`, from samples that are always
// taken; package zpprof serves it over HTTP. SetGuardRate has a part of all blocks fault where they are
// used after Free or beyond their end, and tells who allocated and freed them. The leak tag is exact.
//
// # Build tags
//
//	(none)     libc's allocator
//	jemalloc   jemalloc, linked statically; `make jemalloc` installs it
//	leak       every block is tracked with the stack that allocated it; see Leaks and Free
//	musl       for a C library on Linux that is not glibc 2.33 or later
//	zmem_check   verifies all invariants on slow paths, and ends the program where one does not hold
//	zmem_nolinkname   does without the runtime's innards; half as fast
//
// In a build with several backends, the environment variable ZMEM_BACKEND (libc or jemalloc)
// chooses another than the default; any other value makes the first allocation panic. ZMEM_LEAKS=1
// has ReportLeaks print.
package z

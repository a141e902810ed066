package z

import (
	"fmt"
	"math"
	"sync"

	"github.com/zmem-go/zmem/c"
)

var guardRateMu sync.Mutex

// SetGuardRate has one in n allocations of up to 64 KiB, chosen at random, be guarded, and returns
// what it was; 1 guards all, and 0, with which a program starts, none. A negative n panics.
//
// A guarded block lies beside memory that nobody may touch: in turns it ends there, or begins there.
// Freed, it becomes memory that nobody may touch, until all other places that are free, of 256, have
// been used. Whoever touches either faults. Then a report goes to standard error, of which block it was,
// how far outside of it, who allocated it and who freed it; and after that the program crashes as Go
// programs do, or panics where it called runtime/debug.SetPanicOnFault: the recovered error has the
// address for GuardReport. Freeing a guarded block twice panics with the report.
//
// At most 256 blocks are guarded at a time; while they are all live no more is. Blocks are aligned as
// ever: a write into the up to 15 bytes between the end of a slice and the next multiple of 16 (8 for
// 8 bytes or fewer) is not seen. Nothing is guarded by CallocAligned, under the leak tag, or where the
// system has no address space for it.
func SetGuardRate(n int) int {
	if n < 0 {
		panic(fmt.Sprintf("z: SetGuardRate: negative rate %d", n))
	}
	guardRateMu.Lock()
	defer guardRateMu.Unlock()
	old := GuardRate()
	setGuardRate(uint64(min(int64(n), math.MaxUint32)))
	return old
}

// GuardRate is the rate that is in force.
func GuardRate() int { return int(c.GuardRate()) }

// GuardReport says what a fault at an address was: the report that SetGuardRate speaks of. It is false
// where the address is none that was guarded. The runtime.Error of a fault that
// runtime/debug.SetPanicOnFault turned into a panic has a method Addr that returns the address.
//
// It tells how things stand when it is called: by then, a place that was free may have another block.
func GuardReport(address uintptr) (string, bool) {
	report := make([]byte, 32<<10)
	n := c.GuardReport(address, report)
	return string(report[:n]), n > 0
}

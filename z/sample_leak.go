//go:build leak

package z

import (
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// Under the leak tag the profile is exact.

func setProfileRate(uint64) {}

func getProfileRate() uint64 { return c.ProfileRate() }

func setGuardRate(uint64) {}

func sampleAdded(unsafe.Pointer, uintptr, string) {}

//go:build !leak

package z

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

// Which allocations the profile samples; c/profile.c says how, and keeps what it learns.
//
// A cache knows of how many allocated bytes on its next allocation is sampled (SampleAt), so that the
// paths through it pay a comparison. A block that is sampled comes from C, and if it is small from a
// range of addresses of its own, by which Free knows it.

// profileRate is the mean distance of two samples in bytes; 0 for none, 1 for all.
var profileRate atomic.Uint64

// sampledBase and sampledSize are the range in which small sampled blocks lie; they never change.
var sampledBase, sampledSize = startProfile()

func startProfile() (base, size uintptr) {
	setProfileRate(DefaultProfileRate)
	return c.ProfileRange()
}

// setProfileRate sets the rate; where there is no range of addresses for samples, to 0.
func setProfileRate(rate uint64) {
	profileRate.Store(rate) // C then has the caches look at it
	if c.SetProfileRate(rate) != c.OK {
		profileRate.Store(0)
	}
}

func getProfileRate() uint64 { return profileRate.Load() }

// isSampled reports whether p is a small block that is sampled. Free must not put it in a cache.
func isSampled(p unsafe.Pointer) bool { return uintptr(p)-sampledBase < sampledSize }

// isDue reports whether the pinned cache k is to sample or to guard an allocation of n bytes, or at
// least to look at the rates.
func isDue(k pinned, n uintptr) bool {
	return k.AllocatedBytes+uint64(n) >= atomic.LoadUint64(&k.SampleAt) ||
		k.AllocatedObjects >= atomic.LoadUint64(&k.GuardAt)
}

// sampleDue is the rate at which the pinned cache k is to sample an allocation of n bytes, 0 if it is
// not. Where this one took it to its SampleAt it sets the next.
func sampleDue(k pinned, n uintptr) uint64 {
	// Whoever changes the rate sets SampleAt to 0 after that, which must not be undone with one that
	// comes from the old rate.
	at := atomic.LoadUint64(&k.SampleAt)
	if k.AllocatedBytes+uint64(n) < at {
		return 0
	}
	rate := profileRate.Load()
	next := uint64(0)
	switch {
	case rate == 0:
		next = math.MaxUint64
	case rate > 1:
		next = k.AllocatedBytes + uint64(math.Ceil(rand.ExpFloat64()*float64(rate)))
	}
	atomic.CompareAndSwapUint64(&k.SampleAt, at, next)
	if at == 0 && rate != 1 {
		return 0
	}
	return rate
}

// sampleChance is the rate at which an allocation of n bytes that passes by the caches is to be
// sampled, as chance decides; 0 if it is not.
func sampleChance(n uintptr) uint64 {
	rate := profileRate.Load()
	if rate > 1 && rand.ExpFloat64()*float64(rate) > float64(n) {
		return 0
	}
	return rate
}

// allocSampled is alloc where isDue says so of the pinned cache k.
//
//go:noinline
func allocSampled(f call, k pinned, class uint, n int, tag []string) ([]byte, error) {
	rate, guarded := sampleDue(k, uintptr(n)), guardDue(k)
	unpin(k)
	if guarded {
		if p := callocGuarded(uintptr(n), rate, tag); p != nil {
			return bytesAt(p, n), nil
		}
	}
	if p := callocSampled(uintptr(n), 0, rate, tag); p != nil {
		return bytesAt(p, n), nil
	}
	if k = repin(); k == nil {
		return allocDirect(f, n, tag)
	}
	return allocCached(f, k, class, n, tag)
}

// callocSampled makes n zero bytes that are sampled at a rate; nil where that is 0, or where there is
// no room for it.
//
//go:noinline
func callocSampled(n, align uintptr, rate uint64, tag []string) unsafe.Pointer {
	if rate == 0 {
		return nil
	}
	return c.ProfileCalloc(n, align, rate, siteOf(1, tagOf(tag)))
}

// sampleAdded has n bytes at p that came from elsewhere, such as a mapping, sampled as chance decides.
// c.ProfileRemove is to be called before they go, which zm_free does. What would fit a size class is
// not looked for then, and so is not sampled.
//
//go:noinline
func sampleAdded(p unsafe.Pointer, n uintptr, tag string) {
	if n <= c.SmallMax {
		return
	}
	if rate := sampleChance(n); rate > 0 {
		c.ProfileAdd(p, n, rate, siteOf(1, tag))
	}
}

package z

import (
	"hash/maphash"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/zmem-go/zmem/c"
)

// knownSites has the sites of stacks that were asked for lately, by a hash of their return addresses:
// runtime.Callers, which looks up each function and what is inlined in it, takes a microsecond, and
// following the frame pointers a twentieth of that. Two stacks in one place push each other out.
//
// A goroutine may read a slot while another writes it. So check is the hash, exclusive or the pointer
// to the site, and a slot of which only half was written matches no hash. (Hyatt and Mann, A
// lock-less transposition table implementation for parallel search, 2002.)
var (
	knownSites [1 << 12]struct {
		check atomic.Uint64
		site  atomic.Pointer[c.Site] // in C memory, and never freed
	}
	siteSeed = maphash.MakeSeed()
)

// maxFrames is how many return addresses are hashed: of each call that is kept, and of a function that
// the compiler wraps around it, such as a method's for pointers; and a few for the functions in
// which the stack begins and which siteOf skips.
const maxFrames = 2*c.MaxStack + 8

// siteOf is the site of a tag and the stack of a caller: of the function that calls siteOf where skip
// is 0. It is nil where there is no memory for it.
func siteOf(skip int, tag string) *c.Site {
	hash := hashOf(tag)
	slot := &knownSites[hash%uint64(len(knownSites))]
	site := slot.site.Load()
	if hash != 0 && site != nil && slot.check.Load() == hash^uint64(addressOf(site)) {
		return site
	}
	var pcs [c.MaxStack]uintptr
	depth := runtime.Callers(skip+2, pcs[:])
	site = c.SiteOf(tag, pcs[:depth])
	if hash != 0 && site != nil && !afterFault(pcs[:depth]) {
		slot.site.Store(site)
		slot.check.Store(hash ^ uint64(addressOf(site)))
	}
	return site
}

// afterFault reports whether the stack goes through a fault. Who called the function that it was in may
// not be in the hash then, as that has no frame if it calls none itself.
func afterFault(pcs []uintptr) bool {
	return slices.ContainsFunc(pcs, func(pc uintptr) bool {
		f := runtime.FuncForPC(pc - 1)
		return f != nil && f.Name() == "runtime.sigpanic"
	})
}

// hashOf is a hash of a tag and the caller's stack, by which they are told apart: two of a million
// are the same with a probability of 3 in a hundred million. It is 0 where the stack is not known.
func hashOf(tag string) uint64 {
	hash := hashStack()
	if hash != 0 && tag != "" {
		hash ^= maphash.String(siteSeed, tag)
	}
	return hash
}

//go:build !leak

package z

import "github.com/zmem-go/zmem/c"

// LeakTracking says whether this program was built with the leak tag.
const LeakTracking = false

const trackingOff = "z: leak tracking is off: build with -tags leak to see "

// Leaks lists the manual memory that is live, under the leak tag; here it says how to turn that on.
func Leaks() string { return trackingOff + "who holds manual memory\n" }

// LeakSites is what Leaks lists, for programs to read: nothing without the leak tag.
func LeakSites() []LeakSite { return nil }

// attribute does nothing without the leak tag.
func attribute(*c.Buffer, []string) {}

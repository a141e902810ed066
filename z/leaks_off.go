//go:build !leak

package z

import "github.com/zmem-go/zmem/c"

// Leaks lists the manual memory that is live, under the leak tag; here it says how to turn that on.
func Leaks() string {
	return "z: leak tracking is off: build with -tags leak to see who holds manual memory\n"
}

// attribute does nothing without the leak tag.
func attribute(*c.Buffer, []string) {}

package z

import (
	"fmt"
	"os"
)

// ReportLeaks prints Leaks to standard error, if the environment has ZMEM_LEAKS=1, and does nothing
// otherwise. It is to be deferred, first of all, in main:
//
//	func main() {
//		defer z.ReportLeaks()
//
// and is not reached where the program ends by os.Exit, which log.Fatal calls as well. Before it
// prints, it makes garbage collections, so that what nobody can reach any more is known. In a build
// without the leak tag it prints how much is live, and how to learn whose it is.
func ReportLeaks() {
	if os.Getenv("ZMEM_LEAKS") != "1" {
		return
	}
	waitForFinalizers()
	if !LeakTracking {
		fmt.Fprintf(os.Stderr, "z: %d bytes of manual memory are live (blocks: %d)\n",
			NumAllocBytes(), NumAllocs())
	}
	fmt.Fprint(os.Stderr, Leaks())
}

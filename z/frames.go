package z

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// ourPackage is how the names of the functions of this package begin.
const ourPackage = "github.com/zmem-go/zmem/z."

// frames is a stack in words, a call each, innermost first, without the functions of this package in
// which it begins; never empty.
func frames(stack []uintptr) []string {
	var out []string
	pcs := runtime.CallersFrames(slices.Clone(stack))
	for {
		f, more := pcs.Next()
		if f.Function != "" && f.Function != "runtime.goexit" && (len(out) > 0 || !isOurs(f)) {
			out = append(out, fmt.Sprintf("%s %s:%d", f.Function, filepath.Base(f.File), f.Line))
		}
		if !more {
			break
		}
	}
	if len(out) == 0 {
		out = append(out, "a go statement") // `go z.Calloc(n)`, the only call without a caller
	}
	return out
}

// isOurs says whether a call is of this package, its tests left aside.
func isOurs(f runtime.Frame) bool {
	return strings.HasPrefix(f.Function, ourPackage) && !strings.HasSuffix(f.File, "_test.go")
}

func writeStack(out *strings.Builder, stack []string) {
	for _, call := range stack {
		out.WriteString("    " + call + "\n")
	}
}

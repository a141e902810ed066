package z

import (
	"fmt"
	"strings"
)

// LeakSite is a place in a program that holds manual memory: blocks that it allocated and nobody has
// freed.
type LeakSite struct {
	Bytes  int64 // as asked for
	Blocks int64
	Tag    string    // of these blocks, at most 64 bytes of it
	Stack  []uintptr // return addresses, innermost first, for runtime.CallersFrames
}

// String is the site as Leaks lists it, several lines.
func (s LeakSite) String() string {
	return report(fmt.Sprintf("LEAK: %d", s.Bytes), s.Stack, s.Blocks, s.Tag)
}

// report is a line that says what is where, and under it the rest of the stack.
func report(what string, stack []uintptr, blocks int64, tag string) string {
	var out strings.Builder
	calls := frames(stack)
	fmt.Fprintf(&out, "%s at func: %s (%s", what, calls[0], count(blocks, "block"))
	if tag != "" {
		fmt.Fprintf(&out, ", tag %q", tag)
	}
	out.WriteString(")\n")
	writeStack(&out, calls[1:])
	return out.String()
}

func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

package z

import (
	"fmt"
	"strings"
)

// GoPointer is a word in manual memory that is an address in the Go heap, and how many like it there
// are: at the same offset of blocks that were allocated in the same place.
type GoPointer struct {
	Count  int64     // how many blocks have one there
	Value  uintptr   // the address, in one of them
	Block  uintptr   // where that block begins, or began: a Buffer may have moved
	Size   int       // its bytes
	Offset int       // where in it the word is, in bytes
	Tag    string    // of the block
	Stack  []uintptr // that allocated it: return addresses, for runtime.CallersFrames
}

// String is the pointer as FindGoPointers lists it, several lines.
func (p GoPointer) String() string {
	return report(fmt.Sprintf("GO POINTER: %#x at offset %d of %d bytes", p.Value, p.Offset, p.Size),
		p.Stack, p.Count, p.Tag)
}

// GoPointers are all that FindGoPointers found, those of which there are most first.
type GoPointers []GoPointer

// String lists them for people to read:
//
//	GO POINTER: 0xc0000140d0 at offset 8 of 16 bytes at func: main.add add.go:31 (5 blocks, tag "node")
//	    main.main main.go:12
//
// says that five blocks of 16 bytes that main.add allocated, on line 31, have an address in the Go
// heap in their second word.
func (ps GoPointers) String() string {
	if !LeakTracking {
		return findingOff
	}
	if len(ps) == 0 {
		return "no Go pointers found\n"
	}
	var out strings.Builder
	for _, p := range ps {
		out.WriteString(p.String())
	}
	return out.String()
}

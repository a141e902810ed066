//go:build leak

package z

import (
	"cmp"
	"slices"
	"unsafe"

	"github.com/zmem-go/zmem/c"
)

const findingOff = ""

// maxPerBlock is how many Go pointers of one block are listed.
const maxPerBlock = 8

// FindGoPointers looks for Go pointers in manual memory, where there must be none (see the
// package's two rules), and lists those that it finds, by where the blocks were allocated:
//
//	fmt.Print(z.FindGoPointers())
//
// It reads every word, at a multiple of the word's size, of every live block, of the chunks of
// Allocators as far as they are in use, and of what was appended to Buffers, which align nothing,
// so that a pointer elsewhere is missed. Of a Buffer, in a file or not, Size is LenWithPadding and
// Offset what its methods take; one of NewBufferSlice has no memory of its own, and is left out.
//
// A word counts as a Go pointer if the runtime has ever had a heap object or a stack in the page
// that it points to. So what is listed may have been freed already, which is the worst case, or be
// pinned (runtime.Pinner), which is none; a number is taken for a pointer only where it happens to
// lie there. Of one block, chunk or Buffer the first eight are listed. Pointers to global
// variables are harmless, and not listed.
//
// Nothing is stopped. A block that lives throughout the call is read, in pieces of 64 KiB during
// each of which nobody can free or move it; those that come or go meanwhile may be missed. It takes
// a second or two for a GiB, and 40 bytes of Go memory a live block.
func FindGoPointers() GoPointers {
	type place struct {
		site   *c.Site
		offset int
	}
	heap := newGoHeap()
	found := map[place]*GoPointer{}
	words := make([]uintptr, 64<<10/wordSize)
	for _, b := range listLive(c.LeakBlocks) {
		left := maxPerBlock
		size := int(b.Size)
		for offset := 0; offset+wordSize <= size && left > 0; {
			piece := words[:min(len(words), (size-offset)/wordSize)]
			if !c.LeakRead(&b, uint64(offset), piece) {
				break
			}
			for i := heap.next(piece, 0); i < len(piece) && left > 0; i = heap.next(piece, i+1) {
				at := place{b.Site, offset + i*wordSize}
				if found[at] == nil {
					found[at] = &GoPointer{0, piece[i], b.Block, size, at.offset,
						b.Site.Tag(), slices.Clone(b.Site.PCs())}
				}
				found[at].Count++
				left--
			}
			offset += len(piece) * wordSize
		}
	}
	var all GoPointers
	for _, p := range found {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b GoPointer) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), slices.Compare(a.Stack, b.Stack),
			cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.Offset, b.Offset))
	})
	return all
}

const wordSize = int(unsafe.Sizeof(uintptr(0)))

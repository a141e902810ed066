package z

import "github.com/zmem-go/zmem/c"

// SetLimit sets the most manual memory, in bytes, that may be held, and returns what was set
// before. A negative number changes nothing, which is how to ask for the limit; math.MaxInt64, as
// it is at first, is none. (So are the rules of debug.SetMemoryLimit.)
//
// What counts is what NumHeldBytes says. Whatever would pass the limit, be it a block, an Allocator or
// a Buffer, first makes room: free blocks go back, those in the depot and then those in the caches of
// all Ps, if all of them are enough. To drain caches stops the world, and so is left out where they
// have less than a 128th of the limit. Callbacks of OnPressure that are below the limit are waited
// for. Then it fails with an error that is ErrLimit and ErrOutOfMemory. Nothing is freed when more is
// held already. Beside the limit, a program may hold what its allocator needs for itself, and pages
// that are free but not yet returned.
func SetLimit(bytes int64) int64 { return c.SetLimit(bytes) }

// NumHeldBytes is the number of bytes of manual memory that count towards SetLimit: blocks that the
// program holds, and free ones in caches and the depot, each with the size of its class (see
// GoodSize), or as it was asked for above 64 KiB.
func NumHeldBytes() int64 { return c.NumHeldBytes() }

package main

import (
	"context"
	"iter"

	"github.com/zmem-go/zmem/z"
)

// buffer is what the records are in, and all that sortdemo asks of it, so that contrib/bench can put
// another package's in its place.
type buffer struct{ *z.Buffer }

// newBuffer makes a buffer that moves to a file in dir beyond max bytes, if that is not 0.
func newBuffer(max int, dir string) buffer {
	return buffer{z.NewBuffer(0, "sortdemo").WithAutoMmap(max, dir)}
}

func (b buffer) tryGrow(n int) error { return b.TryGrow(n) }
func (b buffer) sort(ctx context.Context, progress func(done, total int64)) error {
	return b.Sort(ctx, z.SortOptions{Key: z.ByUint64, Progress: progress})
}
func (b buffer) records() iter.Seq[[]byte] { return b.Records() }

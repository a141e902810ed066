package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/zmem-go/zmem/contrib/internal/progress"
	"github.com/zmem-go/zmem/contrib/internal/splitmix"
)

const (
	recordSize = 8              // the key, in the machine's byte order
	framedSize = 8 + recordSize // in the Buffer
	batch      = 1 << 16        // records between two looks at the clock
)

// The steps of a run, each of which is n records' work.
const (
	fill = iota
	sort
	check
	steps
)

var stepNames = [steps]string{"fill", "sort", "check"}

// counter counts the records done in all steps.
type counter = atomic.Int64

// result is what came of a run.
type result struct {
	options
	steps    []step // as far as it came
	checksum uint64 // of the keys
	ordered  bool   // and all there
}

// step is what a step took.
type step struct {
	seconds float64
	memory  // at its peak
}

// run carries out all steps, until ctx is done. What it has got is in the result, whatever the error.
func run(ctx context.Context, o options, bar *progress.Bar) (result, error) {
	r := result{options: o}
	b := newBuffer(int(o.cap), o.dir)
	var done counter
	do := func(i int, work func() error) error {
		m := watch(bar, &done, stepNames[i])
		start := time.Now()
		err := work()
		seconds := time.Since(start).Seconds()
		peak, watchErr := m.stop()
		r.steps = append(r.steps, step{seconds, peak})
		done.Store(int64(i+1) * int64(o.n))
		return errors.Join(err, watchErr)
	}
	err := do(fill, func() (err error) {
		r.checksum, err = fillBuffer(ctx, b, o, &done)
		return err
	})
	if err == nil {
		err = do(sort, func() error {
			return b.sort(ctx, func(bytes, total int64) { // in records, beside those of the first step
				done.Store(int64(o.n) + int64(float64(o.n)*float64(bytes)/float64(max(total, 1))))
			})
		})
	}
	if err == nil {
		err = do(check, func() error { return checkBuffer(ctx, b, o.n, r.checksum, &done) })
	}
	r.ordered = err == nil
	return r, errors.Join(err, b.Release())
}

// fillBuffer adds n records and returns the checksum of their keys.
func fillBuffer(ctx context.Context, b buffer, o options, done *counter) (checksum uint64, err error) {
	random := splitmix.Source(o.seed)
	for left := o.n; left > 0; left -= batch {
		n := min(left, batch)
		if err := ctx.Err(); err != nil {
			return checksum, err
		}
		if err := b.tryGrow(n * framedSize); err != nil {
			return checksum, err
		}
		for range n {
			key := random.Next()
			checksum = addKey(checksum, key)
			putKey(b, key)
		}
		done.Add(int64(n))
	}
	return checksum, nil
}

func putKey(b buffer, key uint64) {
	binary.NativeEndian.PutUint64(b.SliceAllocate(recordSize), key)
}

// checkBuffer says what is wrong where the records are not n, in order, with this checksum.
func checkBuffer(ctx context.Context, b buffer, n int, checksum uint64, done *counter) error {
	var last, sum uint64
	i := 0
	for record := range b.records() {
		key := binary.NativeEndian.Uint64(record)
		if key < last {
			return fmt.Errorf("record %d has key %d, the one before it %d", i, key, last)
		}
		last = key
		sum = addKey(sum, key)
		if i++; i%batch == 0 {
			done.Add(batch)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	if i != n || sum != checksum {
		return fmt.Errorf("there are %d records with checksum %016x, want %d with %016x",
			i, sum, n, checksum)
	}
	return nil
}

// addKey adds a key to a checksum, in which their order does not count. The key is mixed first, so
// that two changes seldom cancel out.
func addKey(checksum, key uint64) uint64 {
	mixed := splitmix.Source(key)
	return checksum + mixed.Next()
}

//go:build !leak

package z_test

import (
	"math"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// What a Buffer, a sort and an Allocator do to the profile. The functions that do it begin with
// "profiled", and are where stacks begin.

//go:noinline
func profiledBuffer(n int) *z.Buffer { return z.NewBuffer(n) }

//go:noinline
func profiledGrow(b *z.Buffer, n int) error { return b.TryGrow(n) }

//go:noinline
func profiledFill(b *z.Buffer, n int) { fillRandom(b.Allocate(n)) }

//go:noinline
func profiledSort(b *z.Buffer) error { return b.SortBytes() }

//go:noinline
func profiledSortSlice(b *z.Buffer, less z.LessFunc) { b.SortSlice(less) }

//go:noinline
func profiledAllocator(n int) *z.Allocator { return z.NewAllocator(n) }

//go:noinline
func profiledAllocate(a *z.Allocator, n int) { a.Allocate(n) }

func fillRandom(b []byte) {
	for i := range b {
		b[i] = byte(i * i >> 8)
	}
}

// profiled is what the functions above have done since it was made.
func profiled(t *testing.T) func() amounts {
	t.Helper()
	names := []string{"profiledBuffer", "profiledGrow", "profiledFill", "profiledSort", "profiledSortSlice", "profiledAllocator",
		"profiledAllocate"}
	sum := func() (a amounts) {
		t.Helper()
		p := readProfile(t)
		for _, name := range names {
			a = a.minus(amounts{}.minus(allocatedBy(p, name, "")))
		}
		return a
	}
	before := sum()
	return func() amounts {
		t.Helper()
		return sum().minus(before)
	}
}

// At rate 1, step by step: what a Buffer has is in the profile once, whatever is done to it, and what
// is in a file is not.
func TestProfile_BufferIsExact(t *testing.T) {
	setRate(t, 1)
	got := profiled(t)
	var want amounts
	step := func(what string, alloc, free int64) {
		t.Helper()
		if alloc > 0 {
			want.allocObjects++
			want.liveObjects++
		}
		if free > 0 {
			want.liveObjects--
		}
		want.allocBytes += alloc
		want.liveBytes += alloc - free
		if a := got(); a != want {
			t.Fatalf("%s: %+v, want %+v", what, a, want)
		}
	}
	for _, c := range []struct {
		name  string
		start int // bytes, before and after doubling
	}{{"heap", 256 << 10}, {"heap to mapping", mib}, {"mapping", 4 * mib}} {
		size := int64(c.start)
		b := profiledBuffer(c.start)
		step(c.name+": made", size, 0)
		for range 1000 {
			noError(t, profiledGrow(b, 10))
		}
		step(c.name+": room to spare", 0, 0)
		profiledFill(b, c.start-8) // to the last byte
		noError(t, profiledGrow(b, 0))
		step(c.name+": full", 0, 0)
		b.WithMaxSize(c.start)
		if err := profiledGrow(b, 1); err == nil {
			t.Fatal("it grew")
		}
		step(c.name+": cannot grow", 0, 0)
		b.WithMaxSize(0)
		noError(t, profiledGrow(b, 1))
		step(c.name+": grown", 2*size, size)
		for range 100 {
			b.Reset()
			profiledFill(b, c.start)
		}
		step(c.name+": reset", 0, 0)
		noError(t, b.Release())
		step(c.name+": released", 0, 2*size)
	}

	b := profiledBuffer(4*mib).WithAutoMmap(8*mib, t.TempDir())
	step("made", 4*mib, 0)
	profiledFill(b, 8*mib-8)
	step("grown to where it spills", 8*mib, 4*mib)
	noError(t, profiledGrow(b, 1))
	step("in a file", 0, 8*mib)
	noError(t, profiledGrow(b, 32*mib))
	step("grown in the file", 0, 0)
	noError(t, b.Release())
	step("released", 0, 0)
}

// A failure of the system leaves the sample as it was, too.
func TestProfile_BufferThatCannotGrow(t *testing.T) {
	setRate(t, 1)
	got := profiled(t)
	for _, n := range []int{mib, 4 * mib} {
		b := profiledBuffer(n)
		before := got()
		old := z.SetLimit(1)
		for range 100 {
			if profiledGrow(b, 8*mib) == nil {
				t.Error("it grew beyond the limit")
			}
		}
		z.SetLimit(old)
		for range 100 {
			if profiledGrow(b, math.MaxInt-100) == nil {
				t.Error("it grew beyond all bounds")
			}
		}
		if a := got(); a != before {
			t.Errorf("%d bytes: %+v, want %+v", n, a, before)
		}
		noError(t, b.Release())
	}
	if a := got(); a.liveBytes != 0 || a.liveObjects != 0 {
		t.Errorf("all released: %+v", a)
	}
}

// Every chunk of an Allocator counts, the first as well, also where the first allocation needs another.
func TestProfile_AllocatorChunks(t *testing.T) {
	setRate(t, 1)
	got := profiled(t)
	a := profiledAllocator(mib)
	profiledAllocate(a, 3*mib)
	for range 1000 {
		profiledAllocate(a, 1000)
		profiledAllocate(a, 1)
	}
	if p := got(); p.liveBytes != int64(a.Allocated()) || p.allocBytes != p.liveBytes {
		t.Errorf("%+v, want %d bytes", p, a.Allocated())
	}
	a.Reset()
	a.TrimTo(mib)
	if p := got(); p.liveBytes != int64(a.Allocated()) {
		t.Errorf("trimmed: %+v, want %d bytes", p, a.Allocated())
	}
	a.Release()
	if p := got(); p.liveBytes != 0 || p.liveObjects != 0 {
		t.Errorf("released: %+v", p)
	}
}

// At the default rate the same sums come out, in the mean: Buffers that grow from 128 KiB to 1 MiB, are
// asked for room that they have, are reset and sorted.
func TestProfile_BuffersNearTheTruth(t *testing.T) {
	setRate(t, z.DefaultProfileRate)
	got := profiled(t)
	const count, first, last = 3000, 128 << 10, mib
	var wantBytes, wantObjects int64
	for range count {
		b := profiledBuffer(first)
		wantBytes, wantObjects = wantBytes+first, wantObjects+1
		for size := first; size < last; size *= 2 {
			noError(t, profiledGrow(b, size))
			wantBytes, wantObjects = wantBytes+int64(2*size), wantObjects+1
			for range 20 {
				noError(t, profiledGrow(b, 10))
				b.Reset()
			}
			b.Allocate(2*size - 8)
			b.Reset()
			b.AllocateOffset(size)
		}
		noError(t, b.Release())
	}
	// 12,000 samples with a probability of 22 to 86 %: 6 standard deviations are 8 %
	if a := got(); !within(a.allocBytes, wantBytes, 0.1) || !within(a.allocObjects, wantObjects, 0.1) ||
		a.liveBytes != 0 || a.liveObjects != 0 {
		t.Errorf("%+v, want %d bytes in %d", a, wantBytes, wantObjects)
	}
}

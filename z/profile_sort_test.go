//go:build !leak

package z_test

import "testing"

// A sort's scratch memory is there while the sort is, and the Buffer's stays.
func TestProfile_SortedBuffer(t *testing.T) {
	setRate(t, 1)
	for _, spills := range []bool{false, true} {
		got := profiled(t)
		b := profiledBuffer(4 * mib)
		if spills {
			b.WithAutoMmap(4*mib, t.TempDir())
			noError(t, profiledGrow(b, 5*mib))
		}
		for b.LenNoPadding() < 3*mib {
			fillRandom(b.SliceAllocate(100))
		}
		before := got()
		noError(t, profiledSort(b))
		after := got()
		scratch := after.allocBytes - before.allocBytes
		if after.liveBytes != before.liveBytes || after.liveObjects != before.liveObjects ||
			spills != (scratch == 0) || scratch > 64*mib+2*mib {
			t.Errorf("in a file %t: %+v, before the sort %+v", spills, after, before)
		}
		var during amounts
		profiledSortSlice(b, func(l, r []byte) bool {
			if during == (amounts{}) {
				during = got()
			}
			return l[0] < r[0]
		})
		if spills != (during.liveBytes == before.liveBytes) {
			t.Errorf("in a file %t: during the sort %+v, before %+v", spills, during, before)
		}
		noError(t, b.Release())
		if a := got(); a.liveBytes != 0 || a.liveObjects != 0 {
			t.Errorf("released: %+v", a)
		}
	}
}

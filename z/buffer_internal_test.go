package z

import (
	"bytes"
	"testing"
)

// Scratch memory is zero, of the Buffer's kind, and gone when it is given back.
func TestBuffer_Scratch(t *testing.T) {
	tmp, err := NewBufferTmp(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		b       *Buffer
		counted bool
	}{
		{"memory", NewBuffer(0), true},
		{"view", NewBufferSlice([]byte("abc")), true},
		{"file", tmp, false},
	} {
		before := NumAllocBytes()
		for _, n := range []int{0, 1, 5000, 3 << 20} {
			s, free, err := c.b.scratch("Sort", n)
			if err != nil || len(s) != n || cap(s) != n || len(bytes.Trim(s, "\x00")) != 0 {
				t.Errorf("%s: %d bytes of %d, %v", c.name, len(s), n, err)
			}
			if got := NumAllocBytes() - before; c.counted != (got >= int64(n)) && n > 0 {
				t.Errorf("%s: %d bytes are counted for %d", c.name, got, n)
			}
			free()
			if got := NumAllocBytes(); got != before {
				t.Errorf("%s: %d bytes are left", c.name, got-before)
			}
		}
		if _, _, err := c.b.scratch("Sort", MaxArrayLen+1); err == nil {
			t.Errorf("%s: impossible scratch", c.name)
		}
		c.b.Release()
	}
}

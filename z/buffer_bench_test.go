package z_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/zmem-go/zmem/z"
)

func BenchmarkBuffer_Write64(b *testing.B) {
	p := make([]byte, 64)
	b.Run("impl=zmem", func(b *testing.B) {
		buf := z.NewBuffer(1 << 20)
		defer buf.Release()
		for range b.N {
			if buf.LenNoPadding() > 1<<20-100 {
				buf.Reset()
			}
			buf.Write(p)
		}
	})
	b.Run("impl=bytes.Buffer", func(b *testing.B) {
		var buf bytes.Buffer
		buf.Grow(1 << 20)
		for range b.N {
			if buf.Len() > 1<<20-100 {
				buf.Reset()
			}
			buf.Write(p)
		}
	})
}

func BenchmarkBuffer_SliceAllocate8(b *testing.B) {
	buf := z.NewBuffer(1 << 20)
	defer buf.Release()
	for range b.N {
		if buf.LenNoPadding() > 1<<20-100 {
			buf.Reset()
		}
		buf.SliceAllocate(8)
	}
}

func BenchmarkBuffer_Iterate8(b *testing.B) {
	buf := z.NewBuffer(1 << 20)
	defer buf.Release()
	const records = 10000
	for i := range records {
		buf.SliceAllocate(8)[0] = byte(i)
	}
	sum := 0
	b.Run("by=SliceIterate", func(b *testing.B) {
		for n := 0; n < b.N; n += records {
			buf.SliceIterate(func(r []byte) error { sum += int(r[0]); return nil })
		}
	})
	b.Run("by=Records", func(b *testing.B) {
		for n := 0; n < b.N; n += records {
			for r := range buf.Records() {
				sum += int(r[0])
			}
		}
	})
	if sum == 0 {
		b.Fatal("nothing was read")
	}
}

// BenchmarkBuffer_Fill appends by 64 KiB, from nothing up to size.
func BenchmarkBuffer_Fill(b *testing.B) {
	p := make([]byte, 64<<10)
	fill := func(b *testing.B, size int, make func() *z.Buffer) {
		b.SetBytes(int64(size))
		for range b.N {
			buf := make()
			for buf.LenNoPadding() < size {
				buf.Write(p[:min(len(p), size)])
			}
			buf.Release()
		}
	}
	for size := 16 << 10; size <= 1<<30; size *= 4 {
		b.Run(fmt.Sprintf("in=memory/size=%d", size), func(b *testing.B) {
			fill(b, size, func() *z.Buffer { return z.NewBuffer(64) })
		})
	}
	b.Run("in=file/size=1073741824", func(b *testing.B) {
		fill(b, 1<<30, func() *z.Buffer { return z.NewBuffer(64).WithAutoMmap(64<<20, b.TempDir()) })
	})
}

package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/zmem-go/zmem/contrib/internal/available"
	"github.com/zmem-go/zmem/z"
)

// goList is the same list on Go's own heap.
type goList struct {
	front *goNode
	bytes atomic.Int64
}

type goNode struct {
	next *goNode
	buf  []byte
}

func newGoList() *goList {
	// The collector lets garbage grow to the size of the live data. Where that is half of the
	// machine, the kernel would kill us, or worse, others.
	if n, err := available.Bytes(); err == nil && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(n / 10 * 9)
	}
	return &goList{}
}

func (l *goList) push(n int, pattern byte) error {
	nd := &goNode{next: l.front, buf: make([]byte, n)}
	l.front = nd
	l.bytes.Add(nodeSize + int64(n))
	return fill(nd.buf, pattern)
}

func (l *goList) walk(visit func() verdict) error {
	var damage error
	for at := &l.front; *at != nil; {
		nd := *at
		switch visit() {
		case stop:
			return damage
		case keep:
			at = &nd.next
		case free:
			*at = nd.next
			if err := verify(nd.buf); err != nil {
				damage = err
			}
			l.bytes.Add(-nodeSize - int64(len(nd.buf)))
		}
	}
	return damage
}

// inUse counts a node as large as it is in manual memory, so that all backends do the same work.
func (l *goList) inUse() int64 { return l.bytes.Load() }
func (l *goList) left() int64  { return l.bytes.Load() }

// stats tells of the Go heap what comes closest to each field.
func (l *goList) stats() z.MemStats {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return z.MemStats{
		Allocated: m.HeapAlloc,
		Active:    m.HeapInuse,
		Metadata:  m.MSpanSys + m.MCacheSys + m.GCSys + m.OtherSys,
		Resident:  m.Sys - m.HeapReleased,
		Mapped:    m.HeapSys,
		Retained:  m.HeapReleased,
	}
}

func (l *goList) giveBack() error {
	debug.FreeOSMemory()
	return nil
}

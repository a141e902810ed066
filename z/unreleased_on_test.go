//go:build leak

package z

import (
	"regexp"
	"runtime"
	"strings"
	"testing"
)

func TestUnreleased_ListedOnceUnreachable(t *testing.T) {
	var blocks [][]byte // to free what is lost, in the end
	for range 3 {
		blocks = append(blocks, newHolder(100).b)
	}
	kept := newHolder(1000)
	newHolder(10000).release()
	waitForFinalizers()
	leaks := Leaks()
	t.Log("\n" + leaks)
	want := regexp.MustCompile(`^UNREACHABLE: 300 bytes, never released: 3 x holder from func: ` +
		`\S+/z\.TestUnreleased_ListedOnceUnreachable unreleased_on_test.go:\d+\n    testing\.tRunner `)
	if !want.MatchString(leaks) || strings.Count(leaks, "UNREACHABLE") != 1 {
		t.Errorf("Leaks:\n%s", leaks)
	}
	if !strings.Contains(leaks, "LEAK: 1000 at") || !strings.Contains(leaks, "LEAK: 300 at") {
		t.Errorf("what is live is not listed:\n%s", leaks)
	}
	runtime.KeepAlive(kept)
	kept.release()
	for _, b := range blocks {
		(&holder{b}).release()
	}
	if leaks := Leaks(); leaks != "no leaks found\n" {
		t.Errorf("Leaks after release:\n%s", leaks)
	}
}

func TestUnreleased_Buffer(t *testing.T) {
	ctl := make(chan *Buffer, 1)
	func() {
		NewBuffer(1000).Release()
		b := NewBuffer(3000)
		ctl <- &Buffer{ctl: b.ctl} // to free it, in the end
	}()
	waitForFinalizers()
	leaks := Leaks()
	want := regexp.MustCompile(`^UNREACHABLE: \d{4} bytes, never released: 1 x Buffer from func: ` +
		`\S+/z\.TestUnreleased_Buffer\S* unreleased_on_test.go:\d+\n`)
	if !want.MatchString(leaks) || strings.Count(leaks, "UNREACHABLE") != 1 {
		t.Errorf("Leaks:\n%s", leaks)
	}
	if err := (<-ctl).Release(); err != nil {
		t.Error(err)
	}
	if leaks := Leaks(); leaks != "no leaks found\n" {
		t.Errorf("Leaks after Release:\n%s", leaks)
	}
}

// AllocatorFrom may find an Allocator between its becoming garbage and its finalizer, which must not
// release what somebody has again.
func TestAllocatorFrom_BesideAFinalizer(t *testing.T) {
	found, done := make(chan bool), make(chan bool)
	var ref uint64
	func() {
		a := NewAllocator(512, "finalized")
		ref = a.Ref
		runtime.SetFinalizer(a, func(a *Allocator) {
			<-found
			a.Release()
			close(done)
		})
	}()
	runtime.GC()
	b := AllocatorFrom(ref)
	close(found)
	<-done
	if AllocatorFrom(ref) != b {
		t.Fatal("it is gone")
	}
	b.Allocate(10_000)[0] = 1
	b.Release()
	if AllocatorFrom(ref) != nil {
		t.Error("it is still there")
	}
	if leaks := Leaks(); leaks != "no leaks found\n" {
		t.Errorf("Leaks:\n%s", leaks)
	}
}

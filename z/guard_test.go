//go:build !leak

package z_test

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

func setGuardRate(t *testing.T, n int) {
	old := z.SetGuardRate(n)
	t.Cleanup(func() { z.SetGuardRate(old) })
}

// guardedAtEnd is a guarded block that ends where its memory does: at a page.
//
//go:noinline
func guardedAtEnd(n int) []byte {
	for {
		b := z.Calloc(n, "guarded")
		if (uintptr(unsafe.Pointer(&b[0]))+uintptr(n))%4096 == 0 {
			return b
		}
		z.Free(b)
	}
}

//go:noinline
func freeGuarded(b []byte) { z.Free(b) }

//go:noinline
func at(b []byte, i int) *byte { return (*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i)) }

// faultOf runs f, which faults, and returns the address.
func faultOf(t *testing.T, f func()) (address uintptr) {
	t.Helper()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		t.Helper()
		err, ok := recover().(interface {
			runtime.Error
			Addr() uintptr
		})
		if !ok {
			t.Fatal("no fault")
		}
		address = err.Addr()
	}()
	f()
	return 0
}

func wantReport(t *testing.T, address uintptr, want ...string) {
	t.Helper()
	report, ok := z.GuardReport(address)
	if !ok {
		t.Fatalf("no report for %#x", address)
	}
	for _, w := range want {
		if !strings.Contains(report, w) {
			t.Errorf("no %q in\n%s", w, report)
		}
	}
}

func TestGuard_Overflow(t *testing.T) {
	setGuardRate(t, 1)
	b := guardedAtEnd(48)
	addr := faultOf(t, func() { *at(b, 48) = 1 })
	if addr != uintptr(unsafe.Pointer(&b[0]))+48 {
		t.Errorf("a fault at %#x", addr)
	}
	wantReport(t, addr, fmt.Sprintf("zmem: fault at %#x: 1 byte past the end of a block of 48 bytes at %p\n", addr, &b[0]),
		"allocated as \"guarded\" by:\n    github.com/zmem-go/zmem/z_test.guardedAtEnd guard_test.go:",
		"z_test.TestGuard_Overflow guard_test.go:")
	z.Free(b)
}

func TestGuard_Underflow(t *testing.T) {
	setGuardRate(t, 1)
	b := z.Calloc(48)
	for uintptr(unsafe.Pointer(&b[0]))%4096 != 0 {
		z.Free(b)
		b = z.Calloc(48)
	}
	addr := faultOf(t, func() { *at(b, -3) = 1 })
	wantReport(t, addr, ": 3 bytes before the start of a block of 48 bytes")
	z.Free(b)
}

func TestGuard_UseAfterFree(t *testing.T) {
	setGuardRate(t, 1)
	b := z.Calloc(100)
	freeGuarded(b)
	addr := faultOf(t, func() { _ = *at(b, 7) + 1; b[8] = 2 })
	wantReport(t, addr, " into a freed block of 100 bytes", "allocated by:\n    github.com/zmem-go/zmem/z_test.TestGuard_UseAfterFree guard_test.go:",
		"freed by:\n    github.com/zmem-go/zmem/z_test.freeGuarded guard_test.go:")
}

func TestGuard_FreeTwice(t *testing.T) {
	setGuardRate(t, 1)
	start := liveNow()
	b := z.Calloc(100)
	freeGuarded(b)
	wantPanic(t, func() { z.Free(b) }, "z: Free: not the start of a live block", "0 bytes into a freed block of 100 bytes", "z_test.freeGuarded")
	b = z.Calloc(100)
	wantPanic(t, func() { z.Free(b[16:]) }, "z: Free: not the start of a live block", "16 bytes into a block of 100 bytes")
	z.Free(b[:10]) // which is right
	wantLive(t, start)
}

func TestGuard_NoReport(t *testing.T) {
	var x byte
	b := z.Calloc(1 << 20)
	defer z.Free(b)
	for _, address := range []uintptr{0, uintptr(unsafe.Pointer(&x)), uintptr(unsafe.Pointer(&b[0])), ^uintptr(0)} {
		if report, ok := z.GuardReport(address); ok {
			t.Errorf("%#x: %s", address, report)
		}
	}
}

func TestGuard_Rates(t *testing.T) {
	wantPanic(t, func() { z.SetGuardRate(-1) }, "z: SetGuardRate: negative rate -1")
	setGuardRate(t, 100)
	if old := z.SetGuardRate(50); old != 100 {
		t.Errorf("the rate was %d", old)
	}
	guarded := 0
	const count = 100_000
	for range count {
		b := z.Calloc(64)
		if _, ok := z.GuardReport(uintptr(unsafe.Pointer(&b[0]))); ok {
			guarded++
		}
		z.Free(b)
	}
	if guarded < count/50*3/4 || guarded > count/50*5/4 {
		t.Errorf("%d of %d are guarded, want one in 50", guarded, count)
	}
}

// More are live than there is room to guard, and other goroutines free them.
func TestGuard_ManyGoroutines(t *testing.T) {
	start := liveNow()
	setGuardRate(t, 3)
	setRate(t, 5000)
	var wg sync.WaitGroup
	handed := make(chan []byte, 1000)
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 5000 {
				b := z.Calloc(1 + i*13%5000)
				if !isZero(b) {
					t.Error("not zero")
				}
				fill(b, 7)
				select {
				case handed <- b:
				default:
					z.Free(<-handed)
					z.Free(b)
				}
			}
		}()
	}
	wg.Wait()
	close(handed)
	for b := range handed {
		z.Free(b)
	}
	wantLive(t, start)
}

func init() {
	children["overflow"] = func() {
		z.SetGuardRate(1)
		b := guardedAtEnd(64)
		*at(b, 64) = 1
	}
	children["use after free"] = func() {
		z.SetGuardRate(1)
		b := z.Calloc(64)
		freeGuarded(b)
		b[3] = 1
	}
	children["nil"] = func() {
		z.SetGuardRate(1)
		var p *int
		*p = 1
	}
	children["recovered nil"] = func() {
		z.SetGuardRate(1)
		defer func() { fmt.Println("recovered:", recover()) }()
		var p *int
		*p = 1
	}
}

// Where nobody recovers the report comes first, and then Go's own crash; other faults are as ever.
func TestGuard_Crashes(t *testing.T) {
	for name, want := range map[string][]string{
		"overflow": {": 1 byte past the end of a block of 64 bytes at 0x", "z_test.guardedAtEnd guard_test.go:",
			"unexpected fault address", "goroutine 1"},
		"use after free": {": 3 bytes into a freed block of 64 bytes at 0x", "allocated by:\n", "guard_test.go:",
			"freed by:\n    github.com/zmem-go/zmem/z_test.freeGuarded guard_test.go:", "unexpected fault address"},
		"nil": {"invalid memory address or nil pointer dereference"},
	} {
		out, err := runChild(t, name)
		if err == nil {
			t.Errorf("%s: no crash\n%s", name, out)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: no %q in\n%s", name, w, out)
			}
		}
		if name == "nil" && strings.Contains(out, "zmem: fault") {
			t.Errorf("a report for nil:\n%s", out)
		}
	}
	if out, err := runChild(t, "recovered nil"); err != nil || !strings.Contains(out, "recovered: runtime error: invalid memory address") {
		t.Errorf("recovered nil: %v\n%s", err, out)
	}
}

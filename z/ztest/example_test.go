package ztest_test

import (
	"testing"

	"github.com/zmem-go/zmem/z"
	"github.com/zmem-go/zmem/z/ztest"
)

func ExampleCheck() {
	_ = func(t *testing.T) { // TestIndex
		ztest.Check(t) // first: it looks when all that follows is done
		index := z.Calloc(1<<20, "index")
		t.Cleanup(func() { z.Free(index) })

		t.Run("lookup", func(t *testing.T) {
			ztest.Check(t) // what this subtest leaves is its own fault, not that of TestIndex
			defer z.Free(z.Calloc(100, "key"))
		})
	}
	// Output:
}

func ExampleOf() {
	_ = func(t *testing.T) { // TestTree
		t.Parallel()
		a := z.NewAllocator(1<<16, t.Name())
		ztest.Check(t, ztest.Of(a)) // whatever tests that run at the same time hold
		t.Cleanup(a.Release)
		a.Allocate(100)
	}
	// Output:
}

func ExampleTag() {
	_ = func(t *testing.T) { // TestQuery
		t.Parallel()
		ztest.Check(t, ztest.Tag(t.Name())) // with the leak tag; without it, together with the others
		defer z.Free(z.Calloc(100, t.Name()))
	}
	// Output:
}

func ExampleVerifyNone() {
	_ = func(t *testing.T) { // TestIndex
		defer ztest.VerifyNone(t)
		z.Free(z.Calloc(100))
	}
	// Output:
}

func ExampleVerifyTestMain() {
	_ = func(m *testing.M) { // TestMain
		ztest.VerifyTestMain(m)
	}
	// Output:
}

package z_test

import (
	"fmt"
	"math"
	"runtime/debug"
	"testing"
	"time"

	"github.com/zmem-go/zmem/z"
)

const memTotal = 1 << 30

// goLimitNear says whether the runtime's limit comes to be want, give or take two steps.
func goLimitNear(want int64) bool {
	return eventually(func() bool {
		got := debug.SetMemoryLimit(-1)
		return got <= want && got >= want-memTotal/64*2
	})
}

// mustHold prints what makes the parent of a child fail.
func mustHold(ok bool, what string) {
	if !ok {
		fmt.Printf("not so: %s; the runtime's limit is %d, %d are held, the total is %d\n", what,
			debug.SetMemoryLimit(-1), z.NumHeldBytes(), z.SetMemoryLimit(-1))
	}
}

// Each of these changes what is the process's: they are for children.
var memoryLimitTests = map[string]func(){
	"it follows": func() {
		mustHold(z.SetMemoryLimit(-1) == math.MaxInt64 && debug.SetMemoryLimit(-1) == math.MaxInt64, "none at first")
		mustHold(z.SetMemoryLimit(memTotal) == math.MaxInt64, "none before")
		mustHold(debug.SetMemoryLimit(-1) == memTotal-memTotal/64-z.NumHeldBytes(), "all is for Go, at once")
		mustHold(z.SetMemoryLimit(-1) == memTotal, "asked")
		for range 3 {
			b := z.Calloc(memTotal / 2)
			mustHold(goLimitNear(memTotal/2), "half is for Go")
			small := z.Calloc(memTotal / 100)
			time.Sleep(20 * time.Millisecond)
			mustHold(goLimitNear(memTotal/2), "a small step changes nothing")
			more := z.Calloc(memTotal)
			mustHold(goLimitNear(memTotal/8+2), "the floor")
			z.Free(more)
			mustHold(goLimitNear(memTotal/2), "half again")
			z.Free(small)
			z.Free(b)
			mustHold(goLimitNear(memTotal), "all again")
		}
		b := z.Calloc(memTotal / 4)
		mustHold(z.SetMemoryLimit(memTotal/2) == memTotal, "another total")
		mustHold(goLimitNear(memTotal/4), "half of it")
		mustHold(z.SetMemoryLimit(math.MaxInt64) == memTotal/2, "the end")
		mustHold(debug.SetMemoryLimit(-1) == math.MaxInt64, "no limit for Go either")
		z.Free(b)
		z.Free(z.Calloc(memTotal))
		time.Sleep(20 * time.Millisecond)
		mustHold(debug.SetMemoryLimit(-1) == math.MaxInt64, "nobody follows")
		mustHold(z.SetMemoryLimit(memTotal) == math.MaxInt64 && goLimitNear(memTotal), "and again")
	},
	"the program's own limit, before": func() {
		debug.SetMemoryLimit(memTotal * 3)
		mustHold(z.SetMemoryLimit(memTotal) == math.MaxInt64, "none before")
		mustHold(z.SetMemoryLimit(-1) == math.MaxInt64, "none set")
		mustHold(debug.SetMemoryLimit(-1) == memTotal*3, "the program's stays")
	},
	"the program's own limit, after": func() {
		z.SetMemoryLimit(memTotal)
		debug.SetMemoryLimit(memTotal * 3)
		mustHold(z.SetMemoryLimit(-1) == math.MaxInt64, "it has ended")
		z.Free(z.Calloc(memTotal / 2))
		time.Sleep(20 * time.Millisecond)
		mustHold(z.SetMemoryLimit(memTotal/2) == math.MaxInt64, "nor is there another")
		mustHold(debug.SetMemoryLimit(-1) == memTotal*3, "the program's stays")
		debug.SetMemoryLimit(math.MaxInt64) // it gives way
		mustHold(z.SetMemoryLimit(memTotal) == math.MaxInt64 && goLimitNear(memTotal), "and again")
	},
	"the environment's": func() {
		mustHold(z.SetMemoryLimit(memTotal) == math.MaxInt64 && z.SetMemoryLimit(-1) == math.MaxInt64, "none set")
		mustHold(debug.SetMemoryLimit(-1) == 5<<30, "the environment's stays")
	},
}

func init() {
	for name, f := range memoryLimitTests {
		children["memory limit: "+name] = f
	}
}

func TestSetMemoryLimit(t *testing.T) {
	for name := range memoryLimitTests {
		env := "GOMEMLIMIT="
		if name == "the environment's" {
			env = "GOMEMLIMIT=5GiB"
		}
		if out, err := runChild(t, "memory limit: "+name, env); err != nil || out != "" {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

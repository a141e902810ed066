package z_test

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
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
			debug.SetMemoryLimit(-1), z.NumHeldBytes(), total(-1))
	}
}

// total is SetMemoryLimit where nobody else has set a limit.
func total(bytes int64) int64 {
	before, err := z.SetMemoryLimit(bytes)
	if err != nil {
		fmt.Println("not so: no error:", err)
	}
	return before
}

// mustRefuse says what is wrong where SetMemoryLimit does anything but say why not.
func mustRefuse(words string) {
	before, err := z.SetMemoryLimit(memTotal)
	ok := before == math.MaxInt64 && errors.Is(err, z.ErrGoMemoryLimit) && strings.Contains(err.Error(), words)
	if !ok {
		fmt.Printf("not so: refused, with %q: %d, %v\n", words, before, err)
	}
	mustHold(total(-1) == math.MaxInt64, "none set")
}

// Each of these changes what is the process's: they are for children.
var memoryLimitTests = map[string]func(){
	"it follows": func() {
		mustHold(total(-1) == math.MaxInt64 && debug.SetMemoryLimit(-1) == math.MaxInt64, "none at first")
		mustHold(total(memTotal) == math.MaxInt64, "none before")
		mustHold(debug.SetMemoryLimit(-1) == memTotal-memTotal/64-z.NumHeldBytes(), "all is for Go, at once")
		mustHold(total(-1) == memTotal, "asked")
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
		mustHold(total(memTotal/2) == memTotal, "another total")
		mustHold(goLimitNear(memTotal/4), "half of it")
		mustHold(total(math.MaxInt64) == memTotal/2, "the end")
		mustHold(debug.SetMemoryLimit(-1) == math.MaxInt64, "no limit for Go either")
		z.Free(b)
		z.Free(z.Calloc(memTotal))
		time.Sleep(20 * time.Millisecond)
		mustHold(debug.SetMemoryLimit(-1) == math.MaxInt64, "nobody follows")
		mustHold(total(memTotal) == math.MaxInt64 && goLimitNear(memTotal), "and again")
	},
	"the program's own limit, before": func() {
		debug.SetMemoryLimit(memTotal * 3)
		mustRefuse("3221225472 bytes, by debug.SetMemoryLimit (see AdoptGoMemoryLimit)")
		mustHold(total(math.MaxInt64) == math.MaxInt64, "to set none is no error")
		mustHold(debug.SetMemoryLimit(-1) == memTotal*3, "the program's stays")
	},
	"the program's own limit, after": func() {
		total(memTotal)
		debug.SetMemoryLimit(memTotal * 3)
		mustHold(total(-1) == math.MaxInt64, "it has ended")
		z.Free(z.Calloc(memTotal / 2))
		time.Sleep(20 * time.Millisecond)
		mustRefuse("by debug.SetMemoryLimit")
		mustHold(debug.SetMemoryLimit(-1) == memTotal*3, "the program's stays")
		debug.SetMemoryLimit(math.MaxInt64) // it gives way
		mustHold(total(memTotal) == math.MaxInt64 && goLimitNear(memTotal), "and again")
	},
	"the environment's": func() {
		mustRefuse("5368709120 bytes, by GOMEMLIMIT=5GiB")
		mustHold(debug.SetMemoryLimit(-1) == 5<<30, "the environment's stays")
	},
	"the environment's is off": func() {
		mustHold(total(memTotal) == math.MaxInt64 && goLimitNear(memTotal), "there is none")
	},
	"adopted": func() {
		debug.SetMemoryLimit(memTotal)
		mustHold(z.AdoptGoMemoryLimit() == memTotal && total(-1) == memTotal, "it is the total")
		mustHold(goLimitNear(memTotal), "all is for Go")
		b := z.Calloc(memTotal / 2)
		mustHold(goLimitNear(memTotal/2), "half is for Go")
		mustHold(z.AdoptGoMemoryLimit() == memTotal && total(-1) == memTotal, "once is enough")
		mustHold(total(memTotal*2) == memTotal && goLimitNear(memTotal*3/2), "another total")
		mustHold(total(math.MaxInt64) == memTotal*2, "the end")
		mustHold(debug.SetMemoryLimit(-1) == memTotal, "the runtime has its own again")
		z.Free(b)
	},
	"adopted from the environment": func() {
		mustHold(z.AdoptGoMemoryLimit() == memTotal, "it is the total")
		b := z.Calloc(memTotal / 2)
		mustHold(goLimitNear(memTotal/2), "half is for Go")
		z.Free(b)
		debug.SetMemoryLimit(memTotal * 3)
		mustHold(total(-1) == math.MaxInt64, "it has ended")
		mustHold(z.AdoptGoMemoryLimit() == memTotal*3, "and again")
	},
	"none to adopt": func() {
		mustHold(z.AdoptGoMemoryLimit() == math.MaxInt64, "there is none")
		mustHold(debug.SetMemoryLimit(-1) == math.MaxInt64, "nor now")
	},
}

func init() {
	for name, f := range memoryLimitTests {
		children["memory limit: "+name] = f
	}
}

func TestSetMemoryLimit(t *testing.T) {
	for name := range memoryLimitTests {
		env := "GOMEMLIMIT=" + map[string]string{
			"the environment's":            "5GiB",
			"the environment's is off":     "off",
			"adopted from the environment": "1GiB",
		}[name]
		if out, err := runChild(t, "memory limit: "+name, env); err != nil || out != "" {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

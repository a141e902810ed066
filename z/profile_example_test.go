package z_test

import (
	"bytes"
	"fmt"

	"github.com/zmem-go/zmem/z"
)

func ExampleWriteHeapProfile() {
	b := z.Calloc(1<<20, "index")
	defer z.Free(b)

	var profile bytes.Buffer // a file, for `go tool pprof`
	if err := z.WriteHeapProfile(&profile); err != nil {
		fmt.Println(err)
	}
	fmt.Println(profile.Len() > 0)
	// Output: true
}

//go:build !zmem_check

package z

import "github.com/zmem-go/zmem/c"

// Without the zmem_check tag nothing is verified, and these are compiled to nothing.

func (ws *windows) check(*c.Allocator) {}

func (a *Allocator) checkCursors() {}

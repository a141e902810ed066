//go:build zmem_crossings

package c

import "sync/atomic"

// Crossings counts the calls into C that allocating and freeing made; only tests are built with it.
var Crossings atomic.Int64

func crossed() { Crossings.Add(1) }

//go:build mistake

package main

import (
	"testing"

	"github.com/zmem-go/zmem/z/ztest"
)

// It fails, on purpose: docs/hunting-leaks.md shows how.
func TestStore(t *testing.T) {
	ztest.Check(t)
	var s store
	defer s.close()
	s.put(7)
	s.put(7)
	_ = s.parse(3)
}

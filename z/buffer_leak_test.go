//go:build leak

package z_test

import (
	"regexp"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// A Buffer that is not released is found by who made it, with all that it has grown to.
func TestLeaks_Buffer(t *testing.T) {
	b := z.NewBuffer(100, "records")
	tmp := must(z.NewBufferTmp(t.TempDir(), 0))(t)
	persistent := must(z.NewBufferPersistent(t.TempDir()+"/buffer", 0))(t)
	b.Grow(4 << 20)
	leaks := z.Leaks()
	want := regexp.MustCompile(`^LEAK: 4198496 at func: \S+\.TestLeaks_Buffer buffer_leak_test.go:\d+ \(2 blocks, tag "records"\)
    testing\.tRunner .*
(LEAK: 96 at func: \S+\.TestLeaks_Buffer buffer_leak_test.go:\d+ \(1 block\)
    testing\.tRunner .*
){2}$`)
	if !want.MatchString(leaks) {
		t.Errorf("Leaks:\n%s", leaks)
	}
	for _, b := range []*z.Buffer{b, tmp, persistent} {
		b.Release()
	}
	if leaks := z.Leaks(); leaks != "no leaks found\n" {
		t.Errorf("Leaks after Release:\n%s", leaks)
	}
}

//go:build jemalloc

package c

// #cgo linux LDFLAGS: -Wl,-Bstatic -ljemalloc -Wl,-Bdynamic -lm
// #cgo !linux LDFLAGS: -ljemalloc -lm
import "C"

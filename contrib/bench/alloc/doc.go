// Package alloc measures how implementations of "n zero bytes, and here they are back" compare:
//
//	go test -tags jemalloc -run '^$' -bench 'Calloc/impl=(zmem|go)$' ./alloc
//
// Every piece of work has one body (body.go.tmpl), which go generate writes out once for each
// implementation. That is the only way in Go that costs no side anything: through an interface, a
// func value or a type parameter each call is indirect and nothing is inlined (a generic function
// calls the methods of its type parameter through a dictionary, also where only one type has that
// shape), which is 1 to 2 ns of the 10 that are measured, and more for those that would have been
// inlined. Written out, each call is the static call that a program of one's own would make.
//
// An implementation is one file, impl_<name>_test.go: a type with calloc, free and bytes, and its
// entry in the table of implementations. Those whose modules were not to be had when go.mod was last
// tidied carry a build tag of their own name; the command in the parent folder turns on each tag whose
// module it can get.
//
// The files end in _test.go so that nothing here can be imported, and to use the testing package's
// own timing.
package alloc

//go:generate go run generate.go

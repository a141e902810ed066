//go:build ignore

// Generate writes body.go.tmpl out for each implementation, into the folder that its argument names.
package main

import (
	"bytes"
	"go/format"
	"log"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// impl is one instance of the bodies.
type impl struct {
	Type    string // the type in impl_*_test.go
	Block   string // what its calloc returns
	Import  string // what Block needs
	Build   string // build constraint; none: always
	Release bool   // it has a release, which gives its memory back when all blocks are freed
}

var impls = []impl{
	{Type: "zmem", Block: "[]byte"},
	{Type: "goHeap", Block: "[]byte"},
	{Type: "syncPool", Block: "*[]byte"},
	{Type: "ristretto", Block: "[]byte", Build: "jemalloc"},
	{Type: "arrow", Block: "[]byte"},
	{Type: "modernc", Block: "unsafe.Pointer", Import: "unsafe"},
	{Type: "moderncLocked", Block: "unsafe.Pointer", Import: "unsafe"},
	{Type: "mmgo", Block: "[]byte", Build: "mmgo"},
	{Type: "memorymanager", Block: "offheap.RefSlice[byte]",
		Import: "github.com/fmstephe/memorymanager/offheap", Build: "memorymanager", Release: true},
	{Type: "xdarkicex", Block: "[]byte", Build: "xdarkicex", Release: true},
	{Type: "xdarkicexSharded", Block: "[]byte", Build: "xdarkicex", Release: true},
}

func main() {
	log.SetFlags(0)
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	title := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
	tmpl := template.Must(template.New("body.go.tmpl").
		Funcs(template.FuncMap{"title": title}).ParseFiles("body.go.tmpl"))
	for _, im := range impls {
		var src bytes.Buffer
		if err := tmpl.Execute(&src, im); err != nil {
			log.Fatal(err)
		}
		out, err := format.Source(src.Bytes())
		if err != nil {
			log.Fatalf("%s: %v", im.Type, err)
		}
		name := "body_" + strings.ToLower(im.Type) + "_test.go"
		if err := os.WriteFile(filepath.Join(dir, name), out, 0o666); err != nil {
			log.Fatal(err)
		}
	}
}

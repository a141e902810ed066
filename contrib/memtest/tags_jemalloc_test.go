//go:build jemalloc

package main

// tags are what this test was built with, and what it builds memtest with.
const tags = "jemalloc"

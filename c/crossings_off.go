//go:build !zmem_crossings

package c

func crossed() {}

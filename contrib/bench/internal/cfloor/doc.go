//go:build !jemalloc

// Package cfloor has its loops only under the build tag jemalloc.
package cfloor

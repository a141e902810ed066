// Package buffer benchmarks buffers of bytes and records, and sorting them: zmem's Buffer, that of
// ristretto, and, for what they replace, bytes.Buffer and slices on the Go heap.
package buffer

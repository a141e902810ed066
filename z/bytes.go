package z

// ZeroOut clears dst[start:end]. An end beyond len(dst) means len(dst); a start that is negative or
// not before the end leaves dst as it is.
func ZeroOut(dst []byte, start, end int) {
	end = min(end, len(dst))
	if start >= 0 && start < end {
		clear(dst[start:end])
	}
}

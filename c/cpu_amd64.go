package c

// static int has_avx2(void) { return __builtin_cpu_supports("avx2"); }
import "C"

// HasAVX2 reports whether the processor has AVX2, and the system saves its registers.
func HasAVX2() bool { return C.has_avx2() != 0 }

package c

// static int has_avx(void) { return __builtin_cpu_supports("avx"); }
import "C"

// HasAVX reports whether the processor has AVX, and the system saves its registers.
func HasAVX() bool { return C.has_avx() != 0 }

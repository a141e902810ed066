//go:build gc

#include "go_asm.h"
#include "textflag.h"

// An address is mixed in by multiplying to 128 bits and folding these to 64 (Wang, wyhash, 2019).

// func hashStack() uint64
TEXT ·hashStack(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ TLS, R8
	MOVQ 0(R8)(TLS*1), R8
	MOVQ 0(R8), R9        // g.stack.lo: a g begins with it, as runtime/cgo relies on
	MOVQ 8(R8), R10       // g.stack.hi
	SUBQ $16, R10
	MOVQ $0xa0761d6478bd642f, R11
	XORL BX, BX
	XORL CX, CX
	MOVQ BP, SI

next:
	CMPQ  SI, R9           // a frame lies on the stack, above the last
	JCS   outside
	CMPQ  SI, R10
	JHI   outside
	MOVQ  8(SI), AX
	XORQ  BX, AX
	MULQ  R11
	MOVQ  AX, BX
	XORQ  DX, BX
	INCQ  CX
	CMPQ  CX, $const_maxFrames
	JEQ   done
	LEAQ  1(SI), R9
	MOVQ  (SI), SI
	JMP   next

outside:
	TESTQ SI, SI           // a goroutine's first frame has no other
	JZ    done
	XORL  BX, BX

done:
	MOVQ BX, ret+0(FP)
	RET

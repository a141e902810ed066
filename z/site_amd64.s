//go:build gc

#include "go_asm.h"
#include "textflag.h"

// func framePCs(pcs *[maxFrames]uintptr) int
TEXT ·framePCs(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ TLS, R8
	MOVQ 0(R8)(TLS*1), R8
	MOVQ 0(R8), R9        // g.stack.lo: a g begins with it, as runtime/cgo relies on
	MOVQ 8(R8), R10       // g.stack.hi
	SUBQ $16, R10
	MOVQ pcs+0(FP), DI
	XORL CX, CX
	MOVQ BP, AX

next:
	CMPQ  AX, R9           // a frame lies on the stack, above the last
	JCS   outside
	CMPQ  AX, R10
	JHI   outside
	MOVQ  8(AX), DX
	MOVQ  DX, (DI)(CX*8)
	INCQ  CX
	CMPQ  CX, $const_maxFrames
	JEQ   done
	LEAQ  1(AX), R9
	MOVQ  (AX), AX
	JMP   next

outside:
	TESTQ AX, AX           // a goroutine's first frame has no other
	JZ    done
	XORL  CX, CX

done:
	MOVQ CX, ret+8(FP)
	RET

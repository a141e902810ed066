//go:build gc && !zmem_nolinkname && !leak && !race && !asan && !msan

#include "go_asm.h"
#include "textflag.h"

// What the functions are for, and why they are safe, stands in fast_amd64.go. None may call anything,
// or have a frame: callocFast and freeFast end with a jump to Go where they cannot go on.

// SHELF sets shelf to the offset of the shelf for n bytes in a cache; it goes to slow if there is
// none.
#define SHELF(n, shelf, tmp) \
	LEAQ -1(n), tmp \
	CMPQ tmp, $const_smallMax \
	JAE slow \
	LEAQ 7(n), shelf \
	SHRQ $3, shelf \
	LEAQ ·classOf8(SB), tmp \
	CMPQ n, $1024 \
	JBE classed \
	LEAQ 127(n), shelf \
	SHRQ $7, shelf \
	LEAQ ·classOf128(SB), tmp \
classed: \
	MOVBLZX (tmp)(shelf*1), shelf \
	SHLQ $const_log2SizeofShelf, shelf

// CACHE sets k to the cache of this P, caches[g.m.p.id]; it goes to slow if there is none.
#define CACHE(k, tmp) \
	MOVQ TLS, k \
	MOVQ 0(k)(TLS*1), k \
	MOVQ const_offsetofM(k), k \
	MOVQ ·offsetofP(SB), tmp \
	MOVQ (k)(tmp*1), k \
	MOVL (k), k \
	CMPL k, ·fastProcs(SB) \
	JAE slow \
	LEAQ ·caches(SB), tmp \
	MOVQ (tmp)(k*8), k \
	TESTQ k, k \
	JZ slow

// func callocFast(n int, tag []string) unsafe.Pointer
TEXT ·callocFast(SB), NOSPLIT|NOFRAME, $0-40
	MOVQ n+0(FP), DX
	SHELF(DX, CX, AX)
	CACHE(BX, AX)
	LEAQ const_offsetofShelves(BX)(CX*1), SI
	MOVQ const_offsetofAllocatedBytes(BX), R8
	ADDQ DX, R8
	CMPQ R8, const_offsetofSampleAt(BX)
	JAE  slow
	MOVQ const_offsetofAllocatedObjects(BX), R9
	CMPQ R9, const_offsetofGuardAt(BX)
	JAE  slow
	MOVL const_offsetofLen(SI), DI
	SUBL $1, DI
	JCS  slow

	// The block is out.
	MOVQ const_offsetofLoaded(SI), R10
	MOVQ const_sizeofMagazine(R10)(DI*8), AX
	MOVL DI, const_offsetofLen(SI)
	MOVQ R8, const_offsetofAllocatedBytes(BX)
	INCQ R9
	MOVQ R9, const_offsetofAllocatedObjects(BX)
	MOVQ AX, ret+32(FP)

	// The block is as large as its class, so that clearing may go on to the next multiple of 8 or 16
	// bytes while n is small; beyond, stores from both ends overlap.
	CMPQ   DX, $8
	JBE    clear8
	LEAQ   (AX)(DX*1), CX
	CMPQ   DX, $128
	JA     clearMany
	PXOR   X0, X0
	MOVUPS X0, (AX)
	CMPQ   DX, $16
	JBE    done
	MOVUPS X0, -16(CX)
	CMPQ   DX, $32
	JBE    done
	MOVUPS X0, 16(AX)
	MOVUPS X0, -32(CX)
	CMPQ   DX, $64
	JBE    done
	MOVUPS X0, 32(AX)
	MOVUPS X0, 48(AX)
	MOVUPS X0, -48(CX)
	MOVUPS X0, -64(CX)

done:
	RET

clear8:
	MOVQ $0, (AX)
	RET

clearMany:
	CMPB  ·hasAVX(SB), $0
	JEQ   clearWords
	VPXOR X0, X0, X0
	SUBQ  $128, CX

clear128:
	VMOVDQU Y0, (AX)
	VMOVDQU Y0, 32(AX)
	VMOVDQU Y0, 64(AX)
	VMOVDQU Y0, 96(AX)
	ADDQ    $128, AX
	CMPQ    AX, CX
	JCS     clear128
	VMOVDQU Y0, (CX)
	VMOVDQU Y0, 32(CX)
	VMOVDQU Y0, 64(CX)
	VMOVDQU Y0, 96(CX)
	VZEROUPPER
	CMPQ    DX, $16384
	JBE     done

	// So large a block has driven out of the first-level cache what freeFast looks at.
	PREFETCHT0 (SI)
	PREFETCHT0 const_offsetofAllocatedBytes(BX)
	PREFETCHT0 const_sizeofMagazine(R10)(DI*8)
	MOVQ       TLS, AX
	MOVQ       0(AX)(TLS*1), AX
	MOVQ       const_offsetofM(AX), AX
	MOVQ       ·offsetofP(SB), CX
	MOVQ       (AX)(CX*1), AX
	PREFETCHT0 (AX)
	RET

clearWords:
	MOVQ $0, -8(CX)
	MOVQ AX, DI
	MOVQ DX, CX
	SHRQ $3, CX
	XORL AX, AX
	REP; STOSQ
	RET

slow:
	JMP ·callocSlow(SB)

// func freeFast(p unsafe.Pointer, n uintptr)
TEXT ·freeFast(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ p+0(FP), R8
	MOVQ R8, AX
	SUBQ ·sampledBase(SB), AX
	CMPQ AX, ·sampledSize(SB)
	JCS  slow
	MOVQ n+8(FP), DX
	SHELF(DX, CX, AX)
	CACHE(BX, AX)
	LEAQ const_offsetofShelves(BX)(CX*1), SI
	MOVL const_offsetofLen(SI), DI
	CMPL DI, const_offsetofCap(SI)
	JEQ  slow
	PREFETCHT0 (R8) // callocFast will clear it next
	MOVQ const_offsetofLoaded(SI), R10
	MOVQ R8, const_sizeofMagazine(R10)(DI*8)
	INCL DI
	MOVL DI, const_offsetofLen(SI)
	ADDQ DX, const_offsetofFreedBytes(BX)
	INCQ const_offsetofFreedObjects(BX)
	RET

slow:
	JMP ·freeSlow(SB)

// func cacheOfP() *c.Cache
TEXT ·cacheOfP(SB), NOSPLIT|NOFRAME, $0-8
	CACHE(AX, CX)
	MOVQ AX, ret+0(FP)
	RET

slow:
	MOVQ $0, ret+0(FP)
	RET

// func getg() unsafe.Pointer
TEXT ·getg(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ TLS, AX
	MOVQ 0(AX)(TLS*1), AX
	MOVQ AX, ret+0(FP)
	RET

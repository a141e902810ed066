package main

import (
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

// mistakes are what Go itself would not let one do with its own memory.
var mistakes = map[string]func(){
	"overflow":       overflow,
	"use-after-free": useAfterFree,
}

// overflow writes a byte behind each of four blocks: guards stand behind half of all, and in front of
// the others.
func overflow() {
	for range 4 {
		packet := z.Calloc(64, "packet")
		end := unsafe.Add(unsafe.Pointer(&packet[0]), len(packet))
		*(*byte)(end) = 1
	}
}

func useAfterFree() {
	packet := z.Calloc(64, "packet")
	done(packet)
	packet[7] = 1
}

func done(packet []byte) { z.Free(packet) }

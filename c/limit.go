package c

// #cgo noescape zm_wait_held
// #cgo nocallback zm_wait_held
// #include "zmem.h"
import "C"

// SetLimit is zm_set_limit.
func SetLimit(bytes int64) int64 { return int64(C.zm_set_limit(C.int64_t(bytes))) }

// NumHeldBytes is zm_num_held_bytes.
func NumHeldBytes() int64 { return int64(C.zm_num_held_bytes()) }

// NumParkedBytes is zm_num_parked_bytes.
func NumParkedBytes() int64 { return int64(C.zm_num_parked_bytes()) }

// NumCachedBytes is zm_num_cached_bytes.
func NumCachedBytes() int64 { return int64(C.zm_num_cached_bytes()) }

// WaitHeld is zm_wait_held.
func WaitHeld(low, high int64) { C.zm_wait_held(C.int64_t(low), C.int64_t(high)) }

// WakeHeld is zm_wake_held.
func WakeHeld() { C.zm_wake_held() }

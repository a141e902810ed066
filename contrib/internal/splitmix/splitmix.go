// Package splitmix is the generator of random numbers that the programs here share with their twins
// in C: one seed gives both the same work.
package splitmix

// Source is the generator splitmix64; its value is the seed. Any seed will do. It is for one
// goroutine at a time.
type Source uint64

// Next returns the next number.
func (s *Source) Next() uint64 {
	*s += 0x9e3779b97f4a7c15
	x := uint64(*s)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

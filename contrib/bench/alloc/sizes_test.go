package alloc

import (
	"math"
	"math/rand/v2"
	"sync"
)

// The sizes of BenchmarkMixed are those of the items (key and value together) of Facebook's largest
// and most general memcached pool, ETC, after the model in section 5 of
//
//	Atikoglu, Xu, Frachtenberg, Jiang, Paleczny: Workload Analysis of a Large-Scale Key-Value Store.
//	SIGMETRICS 2012.
//
// Keys follow a generalised extreme value distribution; values of up to 14 bytes have shares of their
// own, and those above follow a generalised Pareto distribution.
const (
	keyLocation, keyScale, keyShape       = 30.7984, 8.20449, 0.078688
	valueLocation, valueScale, valueShape = 15, 214.476, 0.348238

	maxKey, maxValue = 250, 1_000_000 // memcached's own limits
)

// smallValues is the share of values of 0, 1, ... 14 bytes.
var smallValues = [...]float64{
	0.00536, 0.00047, 0.17820, 0.09239, 0.00018, 0.02740, 0.00065, 0.00606, 0.00023, 0.00837,
	0.00837, 0.08989, 0.00092, 0.00326, 0.01980,
}

// keyBytes is the quantile function of keys' sizes, 0 < u < 1.
func keyBytes(u float64) int {
	n := keyLocation + keyScale*(math.Pow(-math.Log(u), -keyShape)-1)/keyShape
	return int(min(max(math.Round(n), 1), maxKey))
}

// valueBytes is the quantile function of values' sizes, 0 <= u < 1.
func valueBytes(u float64) int {
	for n, share := range smallValues {
		if u < share {
			return n
		}
		u -= share
	}
	rest := 1.0
	for _, share := range smallValues {
		rest -= share
	}
	n := valueLocation + valueScale*(math.Pow(1-u/rest, -valueShape)-1)/valueShape
	return int(min(math.Round(n), maxValue))
}

// etcSizes is 2^16 sizes in random order, always the same: one key and one value from each of as many
// equal parts of their distributions, so that the sample has their shape and not the luck of a draw.
var etcSizes = sync.OnceValue(func() []uint32 {
	const n = 1 << 16
	rnd := rand.New(rand.NewPCG(5, 6))
	keys, values := rnd.Perm(n), rnd.Perm(n)
	sizes := make([]uint32, n)
	for i := range sizes {
		at := func(part int) float64 { return (float64(part) + 0.5) / n }
		sizes[i] = uint32(keyBytes(at(keys[i])) + valueBytes(at(values[i])))
	}
	return sizes
})

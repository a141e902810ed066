package arena

import "testing"

// All that can be benchmarked works, for more than one round and from several goroutines.
func TestImplementations(t *testing.T) {
	for _, im := range implementations {
		a := im.open(2 * round)
		for name, f := range map[string]func() (func(int), func()){
			"allocate": simply(a.allocate), "aligned": simply(a.aligned), "node": simply(a.node), "own": a.own,
		} {
			if f == nil {
				t.Logf("%s has no %s", im.name, name)
				continue
			}
			goroutines := 1
			if im.shared {
				goroutines = 2
			}
			renewed := 0
			inRounds(goroutines, goroutines*(3*round+1), f, func() { renewed++; a.renew() })
			if renewed != 4 {
				t.Errorf("%s: %s: %d rounds", im.name, name, renewed)
			}
		}
		a.close()
	}
}

package arena

import "testing"

// All that can be benchmarked works, for more than one round and from several goroutines.
func TestImplementations(t *testing.T) {
	for _, im := range implementations {
		a := im.open(1000)
		for name, f := range map[string]func(int){
			"allocate": a.allocate, "aligned": a.aligned, "node": a.node, "own": a.own,
		} {
			if f == nil {
				t.Logf("%s has no %s", im.name, name)
				continue
			}
			for range 3 {
				goroutines := 1
				if im.shared {
					goroutines = 2
				}
				spread(goroutines, 1000, f)
				a.reset()
			}
		}
		a.close()
	}
}

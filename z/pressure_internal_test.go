package z

import "testing"

// A call each time that 800 is passed, after having been below 700; none is lost while f runs, and one
// at most is kept.
func TestPressure_Moved(t *testing.T) {
	p := &pressure{soft: 800, calls: make(chan int64, 1)}
	for i, step := range []struct {
		held int64
		call bool
	}{
		{0, false}, {800, false}, {801, true}, {900, false}, {750, false}, {900, false}, {700, false},
		{801, false}, {699, false}, {750, false}, {801, true}, {0, false}, {5000, true},
	} {
		low, high := p.moved(step.held)
		if step.held < low || step.held > high {
			t.Errorf("step %d: held %d is not within %d and %d", i, step.held, low, high)
		}
		select {
		case held := <-p.calls:
			if !step.call || held != step.held {
				t.Errorf("step %d: called with %d", i, held)
			}
		default:
			if step.call {
				t.Errorf("step %d: not called with %d", i, step.held)
			}
		}
	}
	for range 3 {
		p.moved(0)
		p.moved(900)
	}
	if len(p.calls) != 1 {
		t.Errorf("%d calls are kept", len(p.calls))
	}
}

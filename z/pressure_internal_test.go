package z

import "testing"

// A turn each time that 640 is passed, after having been below 560; where a turn brought what is held
// below 640, the next when that is passed again, give or take 10; where it left more in use, 80 later.
func TestPressure_Moved(t *testing.T) {
	const unit = 1 << 20
	p := newPressure(640*unit, nil)
	for i, step := range []struct {
		held        int64
		turn        bool
		after, used int64 // what is held and in use after the turn
	}{
		{held: 0}, {held: 640},
		{held: 641, turn: true, after: 641, used: 641}, {held: 720}, {held: 600}, {held: 721},
		{held: 722, turn: true, after: 700, used: 700}, {held: 560}, {held: 700}, {held: 559},
		{held: 641, turn: true, after: 640, used: 640}, {held: 650},
		{held: 651, turn: true, after: 630, used: 300}, {held: 560}, {held: 640},
		{held: 641, turn: true, after: 100, used: 100}, {held: 640},
		{held: 5000, turn: true, after: 0}, {held: 5000, turn: true, after: 5000, used: 5000},
	} {
		held := step.held * unit
		low, high := p.moved(held)
		if held < low || held > high {
			t.Errorf("step %d: held %d is not within %d and %d", i, held, low, high)
		}
		if p.busy != step.turn {
			t.Fatalf("step %d: a turn: %v", i, p.busy)
		}
		if !p.busy {
			continue
		}
		p.moved(0) // nothing is lost, and there is no second turn, while one is under way
		p.moved(held)
		if len(p.wake) != 1 || <-p.wake {
			t.Fatalf("step %d: there is another turn, or f is called in any case", i)
		}
		p.settle(step.after*unit, step.used*unit)
	}
}

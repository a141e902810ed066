package progress

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// clock is a time that stands still until it is moved.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func TestBar_PlainLines(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(0, 0)}
	b := newBar(&out, 200, false, c.now)
	b.Set(10, "too early for a line")
	c.t = c.t.Add(linesEvery)
	b.Set(50, "cycle 1")
	b.Set(60, "too early again")
	c.t = c.t.Add(linesEvery - 1)
	b.Printf(&out, "a line of %s\n", "its own")
	c.t = c.t.Add(1)
	b.Set(70, "too soon after a line")
	c.t = c.t.Add(linesEvery)
	b.Set(500, "more than all")
	b.Close()
	want := " 25%  cycle 1\na line of its own\n100%  more than all\n"
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", &out, want)
	}
}

func TestBar_Terminal(t *testing.T) {
	var screen, out bytes.Buffer
	b := newBar(&screen, 100, true, time.Now)
	b.Set(50, "cycle 1")
	time.Sleep(110 * time.Millisecond) // past the bar's throttle
	b.Set(50, "cycle 2")
	b.Printf(&out, "low: %d\n", 7)
	b.Set(100, "cycle 3")
	b.Close()
	for _, want := range []string{"50%", "cycle 2"} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("the bar never showed %q: %q", want, &screen)
		}
	}
	if out.String() != "low: 7\n" {
		t.Errorf("Printf wrote %q", &out)
	}
	const clearLine = "\x1b[2K\r"
	if !strings.HasSuffix(screen.String(), clearLine) {
		t.Errorf("Close left the bar behind: %q", &screen)
	}
}

func TestBar_NothingToDo(t *testing.T) {
	var out bytes.Buffer
	for _, terminal := range []bool{false, true} {
		b := newBar(&out, 0, terminal, time.Now)
		b.Set(0, "nothing")
		b.Close()
	}
}

func TestBar_Nil(t *testing.T) {
	var b *Bar
	b.Set(1, "unseen")
	b.Printf(nil, "unseen")
	b.Close()
}

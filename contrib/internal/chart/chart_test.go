package chart

import (
	"bytes"
	"encoding/xml"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

func wave(n int) []Point {
	points := make([]Point, n)
	for i := range points {
		points[i] = Point{float64(i), 50 + 50*math.Sin(float64(i)/40)}
	}
	return points
}

func example(n int) *Chart {
	return &Chart{
		Title: "Memory", XLabel: "seconds", YLabel: "GiB",
		Ticks: []Tick{{0, "begin"}, {float64(n), "end"}},
		Lines: []float64{float64(n) / 2},
		Series: []Series{
			{Name: "in use", Points: wave(n), Color: color.RGBA{A: 0xff}, Area: true},
			{Name: "libc <old> & new", Points: wave(n), Dashes: []float64{6, 2}},
			{Name: "nothing yet"},
		},
		Caption: []string{"first line", "second line"},
	}
}

// texts returns what an SVG says, and fails on anything that is not well-formed XML.
func texts(t *testing.T, svg []byte) []string {
	t.Helper()
	var found []string
	dec := xml.NewDecoder(bytes.NewReader(svg))
	inText := false
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatalf("not valid XML: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.CharData:
			if inText {
				found = append(found, string(token))
			}
		case xml.EndElement:
			inText = false
		}
	}
}

func TestChart_SVGSaysEverything(t *testing.T) {
	var out bytes.Buffer
	if err := example(100).Write(&out, SVG); err != nil {
		t.Fatal(err)
	}
	got := texts(t, out.Bytes())
	for _, want := range []string{"Memory", "seconds", "GiB", "begin", "end", "in use",
		"libc <old> & new", "nothing yet", "first line", "second line"} {
		if !slices.Contains(got, want) {
			t.Errorf("no text %q among %q", want, got)
		}
	}
	if !strings.Contains(out.String(), "stroke-dasharray:6,2") {
		t.Error("no dashed line")
	}
	if strings.Count(out.String(), "font-family:Liberation Sans;") > 0 ||
		!strings.Contains(out.String(), "Arial") {
		t.Error("a viewer without the font has no other to take")
	}
}

func TestChart_SameEveryTime(t *testing.T) {
	for _, f := range []Format{SVG, PNG} {
		var a, b bytes.Buffer
		if err := example(500).Write(&a, f); err != nil {
			t.Fatal(err)
		}
		if err := example(500).Write(&b, f); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("two %s files of one chart differ", f)
		}
	}
}

func TestChart_ManyPointsStaySmall(t *testing.T) {
	var out bytes.Buffer
	if err := example(200000).Write(&out, SVG); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 100<<10 {
		t.Errorf("%d bytes for two lines", out.Len())
	}
}

func TestChart_PNG(t *testing.T) {
	var out bytes.Buffer
	if err := example(100).Write(&out, PNG); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&out)
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size.X != 2*width || size.Y != 2*height {
		t.Errorf("size %v", size)
	}
}

func TestChart_Edges(t *testing.T) {
	tests := []struct {
		name   string
		points []Point
		ok     bool
	}{
		{"no points", nil, false},
		{"one point", []Point{{1, 1}}, true},
		{"all zero", []Point{{0, 0}, {1, 0}}, true},
		{"not a number", []Point{{0, math.NaN()}, {1, 0}}, false},
		{"infinite", []Point{{0, math.Inf(1)}, {1, 0}}, false},
	}
	for _, tt := range tests {
		c := Chart{Series: []Series{{Name: "x", Points: tt.points}}}
		if err := c.Write(io.Discard, SVG); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := example(10).Write(io.Discard, "gif"); err == nil {
		t.Error("drew a gif")
	}
}

func TestEvenTicks(t *testing.T) {
	for _, hi := range []float64{1e-6, 0.3, 1, 1.04, 2, 2.1, 4.16, 7, 8, 8.3, 9.9, 10, 64, 1024, 2047, 1e9} {
		ticks := evenTicks(0, hi)
		if len(ticks) < 3 || len(ticks) > 9 {
			t.Errorf("0 to %v: %d labels", hi, len(ticks))
		}
		for i, tick := range ticks {
			if tick.Value < 0 || tick.Value > hi || len(tick.Label) > 6 {
				t.Errorf("0 to %v: label %d is %q at %v", hi, i, tick.Label, tick.Value)
			}
		}
	}
	if got := evenTicks(0, 8.3); got[1].Label != "2" || got[4].Label != "8" {
		t.Errorf("0 to 8.3: %v", got)
	}
}

func TestFormatOf(t *testing.T) {
	tests := []struct {
		file string
		want Format // "": an error
	}{
		{"a.svg", SVG}, {"dir.x/a.PNG", PNG}, {"a.pdf", ""}, {"svg", ""}, {"", ""}, {"a.svg.gz", ""},
	}
	for _, tt := range tests {
		got, err := FormatOf(tt.file)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("FormatOf(%q) = %q, %v; want %q", tt.file, got, err, tt.want)
		}
	}
}

func TestThin(t *testing.T) {
	for _, n := range []int{0, 1, 2, 4, 5, 999, 1000, 1001, 1003, 5000, 123457} {
		for _, limit := range []int{0, 4, 7, 1000} {
			points := wave(n)
			if n > 10 {
				points[n/2].Y = 1000
				points[n/3].Y = -1000
			}
			thin := Thin(points, limit)
			limit := max(limit, 4)
			if n <= limit {
				if len(thin) != n {
					t.Errorf("%d points, limit %d: %d left", n, limit, len(thin))
				}
				continue
			}
			if len(thin) > limit || len(thin) < 2 {
				t.Errorf("%d points, limit %d: %d left", n, limit, len(thin))
			}
			if thin[0] != points[0] || thin[len(thin)-1] != points[n-1] {
				t.Errorf("%d points, limit %d: an end is missing", n, limit)
			}
			if !slices.IsSortedFunc(thin, func(a, b Point) int { return int(a.X - b.X) }) {
				t.Errorf("%d points, limit %d: out of order", n, limit)
			}
			if n <= 10 {
				continue
			}
			for _, peak := range []Point{points[n/2], points[n/3]} {
				if !slices.Contains(thin, peak) {
					t.Errorf("%d points, limit %d: lost %v", n, limit, peak)
				}
			}
		}
	}
}

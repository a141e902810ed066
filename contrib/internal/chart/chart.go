// Package chart draws a few lines over one another in a picture that explains itself: title, units,
// a legend that stands clear of the data, and a caption. The same chart always gives the same file.
package chart

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Format is a kind of picture.
type Format string

const (
	SVG Format = "svg"
	PNG Format = "png"
)

// FormatOf goes by the end of a file's name.
func FormatOf(file string) (Format, error) {
	switch f := Format(strings.TrimPrefix(strings.ToLower(filepath.Ext(file)), ".")); f {
	case SVG, PNG:
		return f, nil
	}
	return "", fmt.Errorf("chart: %q ends neither in .svg nor in .png", file)
}

// Point is one value, in the units that the axis labels name.
type Point struct{ X, Y float64 }

// Series is one line, or the edge of one filled area.
type Series struct {
	Name   string // in the legend
	Points []Point
	Color  color.RGBA
	Dashes []float64 // lengths of strokes and gaps in points; none: a full line
	Area   bool      // fill from 0 up to the values, behind all lines
}

// Tick is a labelled place on the X axis.
type Tick struct {
	X     float64
	Label string
}

// Chart is a picture. Its axes start at 0. Of a line with many points about MaxPoints are drawn.
type Chart struct {
	Title, XLabel, YLabel string

	Ticks   []Tick    // none: chosen by the values
	Lines   []float64 // X of thin vertical lines, which part the X axis; it reaches to the last
	Series  []Series
	Caption []string // lines under the chart
}

// MaxPoints bounds what is drawn of one line, and so the size of the file.
const MaxPoints = 1000

// Sizes of the picture and its text, in points.
const (
	width, height = 720, 432
	margin        = 12
	titleSize     = 17
	textSize      = 12.5
	smallSize     = 10.5
)

var (
	ink   = color.RGBA{R: 0x22, G: 0x22, B: 0x22, A: 0xff}
	faint = color.RGBA{R: 0xdd, G: 0xdd, B: 0xdd, A: 0xff}
)

// Write draws the chart on w.
func (c *Chart) Write(w io.Writer, f Format) error {
	switch f {
	case SVG:
		canvas := vgsvg.New(width, height)
		if err := c.draw(draw.New(canvas)); err != nil {
			return err
		}
		var svg bytes.Buffer
		if _, err := canvas.WriteTo(&svg); err != nil {
			return err
		}
		_, err := w.Write(withFallbackFonts(svg.Bytes()))
		return err
	case PNG:
		canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(144))
		if err := c.draw(draw.New(canvas)); err != nil {
			return err
		}
		_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
		return err
	}
	return fmt.Errorf("chart: no format %q", f)
}

// withFallbackFonts names fonts of the same widths for machines without the one that was measured.
func withFallbackFonts(svg []byte) []byte {
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
}

func (c *Chart) draw(dc draw.Canvas) error {
	p, entries, err := c.plot()
	if err != nil {
		return err
	}
	dc.FillPolygon(color.White, []vg.Point{
		dc.Min, {X: dc.Min.X, Y: dc.Max.Y}, dc.Max, {X: dc.Max.X, Y: dc.Min.Y},
	})
	dc = draw.Crop(dc, margin, -margin, margin, -margin)

	title := style(titleSize, ink)
	title.YAlign = draw.YTop
	dc.FillText(title, vg.Point{X: dc.Min.X, Y: dc.Max.Y}, c.Title)
	dc = draw.Crop(dc, 0, 0, 0, -1.6*titleSize)

	drawLegend(draw.Crop(dc, 0, 0, dc.Max.Y-dc.Min.Y-1.4*textSize, 0), entries)
	dc = draw.Crop(dc, 0, 0, 0, -2.2*textSize)

	caption := style(smallSize, color.RGBA{R: 0x55, G: 0x55, B: 0x55, A: 0xff})
	for i := len(c.Caption) - 1; i >= 0; i-- {
		dc.FillText(caption, dc.Min, c.Caption[i])
		dc = draw.Crop(dc, 0, 0, 1.35*smallSize, 0)
	}
	if len(c.Caption) > 0 {
		dc = draw.Crop(dc, 0, 0, 0.8*smallSize, 0)
	}
	p.Draw(dc)
	return nil
}

// plot makes the axes and lines, and a legend entry for each series.
func (c *Chart) plot() (*plot.Plot, []entry, error) {
	p := plot.New()
	p.TextHandler = plainText
	p.BackgroundColor = color.Transparent
	p.X.Label.Text, p.Y.Label.Text = c.XLabel, c.YLabel
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color = ink
		axis.Label.TextStyle = centred(axis.Label.TextStyle, textSize)
		axis.Label.Padding = 4
		axis.Tick.Label = centred(axis.Tick.Label, smallSize)
		axis.Tick.Color = ink
		axis.Padding = 0
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(evenTicks), plot.TickerFunc(evenTicks)
	if len(c.Ticks) > 0 {
		ticks := make(plot.ConstantTicks, len(c.Ticks))
		for i, t := range c.Ticks {
			ticks[i] = plot.Tick{Value: t.X, Label: t.Label}
		}
		p.X.Tick.Marker = ticks
		p.X.Tick.Length = 0
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	grid.Horizontal.Color = faint
	p.Add(grid)

	entries := make([]entry, 0, len(c.Series))
	seen := false
	for _, areas := range []bool{true, false} {
		for _, s := range c.Series {
			if s.Area != areas {
				continue
			}
			line, err := s.line()
			if err != nil {
				return nil, nil, fmt.Errorf("chart: %s: %w", s.Name, err)
			}
			if line != nil {
				p.Add(line)
				seen = true
			}
		}
		if areas {
			p.Add(marks(c.Lines))
		}
	}
	if !seen {
		return nil, nil, errors.New("chart: nothing to draw")
	}
	for _, s := range c.Series {
		entries = append(entries, entry{s})
	}
	for _, x := range c.Lines {
		p.X.Min, p.X.Max = min(p.X.Min, x), max(p.X.Max, x)
	}
	for _, t := range c.Ticks {
		p.X.Min, p.X.Max = min(p.X.Min, t.X), max(p.X.Max, t.X)
	}
	p.X.Min, p.Y.Min = min(p.X.Min, 0), 0
	if p.Y.Max <= 0 {
		p.Y.Max = 1
	}
	p.Y.Max *= 1.04
	if p.X.Max <= p.X.Min {
		p.X.Max = p.X.Min + 1
	}
	return p, entries, nil
}

// evenTicks labels an axis at round numbers: three to nine of them, where gonum's own way may leave
// it at two.
func evenTicks(lo, hi float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10(hi-lo))-1)
	for i := 0; (hi-lo)/step > 8; i++ {
		step *= [...]float64{2, 2.5, 2}[i%3] // to 2, 5, 10, 20 and so on
	}
	var ticks []plot.Tick
	for i := math.Ceil(lo / step); i*step <= hi; i++ {
		ticks = append(ticks, plot.Tick{
			Value: i * step, Label: strconv.FormatFloat(i*step, 'g', 6, 64),
		})
	}
	return ticks
}

// line is what plots the series; nil where it has no points.
func (s Series) line() (*plotter.Line, error) {
	if len(s.Points) == 0 {
		return nil, nil
	}
	points := Thin(s.Points, MaxPoints)
	xys := make(plotter.XYs, len(points))
	for i, p := range points {
		xys[i] = plotter.XY{X: p.X, Y: p.Y}
	}
	line, err := plotter.NewLine(xys)
	if err != nil {
		return nil, err
	}
	line.LineStyle = s.style()
	if s.Area {
		line.FillColor = s.fill()
	}
	return line, nil
}

func (s Series) style() draw.LineStyle {
	style := draw.LineStyle{Color: s.Color, Width: 2}
	if s.Area {
		style.Width = 1
	}
	for _, d := range s.Dashes {
		style.Dashes = append(style.Dashes, vg.Length(d))
	}
	return style
}

// fill is the series' colour mixed with four parts of white: opaque, since some viewers draw
// transparent areas slowly.
func (s Series) fill() color.RGBA {
	mix := func(v uint8) uint8 { return uint8((int(v) + 4*255) / 5) }
	return color.RGBA{R: mix(s.Color.R), G: mix(s.Color.G), B: mix(s.Color.B), A: 0xff}
}

// marks draws vertical lines.
type marks []float64

func (m marks) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	for _, v := range m {
		c.StrokeLine2(draw.LineStyle{Color: faint, Width: 0.75}, x(v), c.Min.Y, x(v), c.Max.Y)
	}
}

// entry is a series in the legend.
type entry struct{ s Series }

// drawLegend puts the entries side by side in one row.
func drawLegend(c draw.Canvas, entries []entry) {
	const sample, gap, between = 34, 6, 26
	st := style(textSize, ink)
	st.YAlign = draw.YCenter
	x, y := c.Min.X, (c.Min.Y+c.Max.Y)/2
	for _, e := range entries {
		if e.s.Area {
			c.FillPolygon(e.s.fill(), []vg.Point{
				{X: x, Y: y - 5}, {X: x + sample, Y: y - 5}, {X: x + sample, Y: y + 5}, {X: x, Y: y + 5},
			})
			c.StrokeLine2(e.s.style(), x, y+5, x+sample, y+5)
		} else {
			c.StrokeLine2(e.s.style(), x, y, x+sample, y)
		}
		x += sample + gap
		c.FillText(st, vg.Point{X: x, Y: y}, e.s.Name)
		x += st.Width(e.s.Name) + between
	}
}

var plainText = text.Plain{Fonts: font.DefaultCache}

func style(size vg.Length, c color.Color) text.Style {
	return text.Style{
		Color:   c,
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size),
		Handler: plainText,
	}
}

// centred gives s the chart's font and colour, and keeps how it is aligned and turned.
func centred(s text.Style, size vg.Length) text.Style {
	n := style(size, ink)
	n.Rotation, n.XAlign, n.YAlign = s.Rotation, s.XAlign, s.YAlign
	return n
}

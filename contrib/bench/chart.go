package main

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// barChart has groups of bars on a logarithmic axis, in nanoseconds.
type barChart struct {
	title, unit string
	caption     []string
	groups      []string // labels
	series      []barSeries
}

type barSeries struct {
	name   string
	color  color.RGBA
	values []float64 // one a group; 0: none
}

// palette is Okabe and Ito's, whose colours people with any colour vision tell apart, in the order of
// the implementations in the chart.
var palette = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, // blue
	{0x9a, 0x9a, 0x9a, 0xff}, // grey
	{0xe6, 0x9f, 0x00, 0xff}, // orange
	{0xf0, 0xe4, 0x42, 0xff}, // yellow
	{0xd5, 0x5e, 0x00, 0xff}, // vermilion
	{0x00, 0x9e, 0x73, 0xff}, // green
	{0xcc, 0x79, 0xa7, 0xff}, // purple
	{0x56, 0xb4, 0xe9, 0xff}, // sky blue
}

// chart is the page's figures as bars; groups without a figure are left out.
func (p *page) chart() *barChart {
	c := &barChart{
		title: "Time to allocate and free a block of zeroes: less is better",
		unit:  "Time for one block, on a logarithmic scale",
		caption: []string{fmt.Sprintf("Medians of %d rounds on %s, %d cores, %s, jemalloc %s. Figures over the "+
			"bars are nanoseconds.", p.rounds, p.cpu, p.cores, p.goVersion, release(p.jemalloc))},
	}
	var shown []group
	for _, g := range groups {
		for _, im := range implementations {
			if _, _, ok := p.median(g.caseOf(im.name)); ok && im.chart {
				shown = append(shown, g)
				c.groups = append(c.groups, g.label)
				break
			}
		}
	}
	for _, im := range implementations {
		if !im.chart {
			continue
		}
		s := barSeries{name: strings.Trim(im.label, "*"), color: palette[len(c.series)%len(palette)]}
		for _, g := range shown {
			sec, _, _ := p.median(g.caseOf(im.name))
			s.values = append(s.values, sec*1e9)
		}
		c.series = append(c.series, s)
	}
	return c
}

func (g group) caseOf(impl string) string { return join(g.work, impl, strings.Split(g.params, "/")) }

// release is a version without the commit that it was built from.
func release(version string) string {
	if v := number.FindString(version); v != "" {
		return v
	}
	return version
}

// Sizes of the picture and its text, in points.
const (
	chartWidth, chartHeight = 900, 490
	margin                  = 14
	titleSize               = 17
	textSize                = 12.5
	smallSize               = 10.5
	valueSize               = 9
)

var (
	ink   = color.RGBA{0x22, 0x22, 0x22, 0xff}
	dim   = color.RGBA{0x55, 0x55, 0x55, 0xff}
	faint = color.RGBA{0xdd, 0xdd, 0xdd, 0xff}
)

// write draws the chart as SVG, unless there is nothing to draw.
func (c *barChart) write(w io.Writer) (drawn bool, err error) {
	if len(c.groups) == 0 {
		return false, nil
	}
	canvas := vgsvg.New(chartWidth, chartHeight)
	c.draw(draw.New(canvas))
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return false, err
	}
	// Fonts of the same widths, for machines without the one that was measured.
	_, err = w.Write(bytes.ReplaceAll(svg.Bytes(), []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")))
	return true, err
}

func (c *barChart) draw(dc draw.Canvas) {
	dc.FillPolygon(color.White, rectangle(dc.Min.X, dc.Min.Y, dc.Max.X, dc.Max.Y))
	dc = draw.Crop(dc, margin, -margin, margin, -margin)

	title := style(titleSize, ink)
	title.YAlign = draw.YTop
	dc.FillText(title, vg.Point{X: dc.Min.X, Y: dc.Max.Y}, c.title)
	dc = draw.Crop(dc, 0, 0, 0, -1.6*titleSize)

	c.drawLegend(dc)
	dc = draw.Crop(dc, 0, 0, 0, -c.legendHeight()-0.8*textSize)

	for i := len(c.caption) - 1; i >= 0; i-- {
		dc.FillText(style(smallSize, dim), dc.Min, c.caption[i])
		dc = draw.Crop(dc, 0, 0, 1.35*smallSize, 0)
	}
	dc = draw.Crop(dc, 0, 0, 0.8*smallSize, 0)

	// gonum/plot leaves room for a label of a logarithmic axis in the wrong place; this one reads
	// better anyway.
	unit := style(smallSize, dim)
	unit.YAlign = draw.YTop
	dc.FillText(unit, vg.Point{X: dc.Min.X, Y: dc.Max.Y}, c.unit)
	c.plot().Draw(draw.Crop(dc, 0, 0, 0, -1.6*smallSize))
}

// legendColumns is how many names stand side by side. Columns of one width leave room for fonts that
// are wider than the one that was measured.
const legendColumns = 4

// legendHeight is what drawLegend needs.
func (c *barChart) legendHeight() vg.Length {
	rows := (len(c.series) + legendColumns - 1) / legendColumns
	return vg.Length(rows) * 1.5 * textSize
}

// drawLegend puts the names in columns, row by row from the top.
func (c *barChart) drawLegend(dc draw.Canvas) {
	const box, gap = 12, 5
	st := style(textSize, ink)
	st.YAlign = draw.YCenter
	width := (dc.Max.X - dc.Min.X) / legendColumns
	for i, s := range c.series {
		x := dc.Min.X + vg.Length(i%legendColumns)*width
		y := dc.Max.Y - (vg.Length(i/legendColumns)+0.5)*1.5*textSize
		drawBar(dc, s.color, x, y-box/2, x+box, y+box/2)
		dc.FillText(st, vg.Point{X: x + box + gap, Y: y}, s.name)
	}
}

// plot has the axes and the bars.
func (c *barChart) plot() *plot.Plot {
	lo, hi := math.Inf(1), 0.0
	for _, s := range c.series {
		for _, v := range s.values {
			if v > 0 {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	p := plot.New()
	p.TextHandler = plainText
	p.BackgroundColor = color.Transparent
	p.Y.Scale = plot.LogScale{}
	p.Y.Min, p.Y.Max = floor125(lo*0.7), hi*2.5
	p.X.Min, p.X.Max = -0.5, float64(len(c.groups))-0.5
	ticks := make(plot.ConstantTicks, len(c.groups))
	for i, g := range c.groups {
		if !strings.Contains(g, "\n") {
			g += "\n " // all have two lines, or some would stand higher than others
		}
		ticks[i] = plot.Tick{Value: float64(i), Label: g}
	}
	p.X.Tick.Marker = ticks
	p.X.Tick.Length = 0
	p.Y.Tick.Marker = plot.TickerFunc(logTicks)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color = ink
		axis.Padding = 0
		axis.Tick.Color = ink
		axis.Tick.Label = restyled(axis.Tick.Label, smallSize)
	}
	p.Add(c)
	return p
}

// Plot draws the grid and the bars; it makes barChart a plot.Plotter.
func (c *barChart) Plot(dc draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&dc)
	for _, t := range logTicks(p.Y.Min, p.Y.Max) {
		if t.Label != "" {
			dc.StrokeLine2(draw.LineStyle{Color: faint, Width: 0.75}, dc.Min.X, y(t.Value), dc.Max.X, y(t.Value))
		}
	}
	const groupWidth = 0.86 // of the space for a group
	barWidth := groupWidth / float64(len(c.series))
	value := style(valueSize, ink)
	value.Rotation = math.Pi / 2
	value.YAlign = draw.YCenter
	for i, s := range c.series {
		for g, v := range s.values {
			if v <= 0 {
				continue
			}
			left := float64(g) - groupWidth/2 + float64(i)*barWidth
			x0, x1 := x(left), x(left+barWidth*0.9)
			drawBar(dc, s.color, x0, dc.Min.Y, x1, y(v))
			dc.FillText(value, vg.Point{X: (x0 + x1) / 2, Y: y(v) + 3}, threeDigits(v))
		}
	}
}

func drawBar(dc draw.Canvas, fill color.RGBA, x0, y0, x1, y1 vg.Length) {
	dc.FillPolygon(fill, rectangle(x0, y0, x1, y1))
	outline := append(rectangle(x0, y0, x1, y1), vg.Point{X: x0, Y: y0})
	dc.StrokeLines(draw.LineStyle{Color: ink, Width: 0.4}, outline)
}

func rectangle(x0, y0, x1, y1 vg.Length) []vg.Point {
	return []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}}
}

// logTicks has a label at each 1, 2 and 5 of a decade and a small tick at the rest.
func logTicks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for decade := math.Pow(10, math.Floor(math.Log10(lo))); decade <= hi; decade *= 10 {
		for digit := 1.0; digit < 10; digit++ {
			v := digit * decade
			if v < lo*0.999 || v > hi*1.001 {
				continue
			}
			t := plot.Tick{Value: v}
			if digit == 1 || digit == 2 || digit == 5 {
				t.Label = duration(v * 1e-9)
				t.Label = strings.NewReplacer(".00 ", " ", ".0 ", " ").Replace(t.Label)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// floor125 is the next 1, 2 or 5 of a decade that is not above v.
func floor125(v float64) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(v)))
	for _, digit := range []float64{5, 2} {
		if v >= digit*decade {
			return digit * decade
		}
	}
	return decade
}

var plainText = text.Plain{Fonts: font.DefaultCache}

func style(size vg.Length, c color.Color) text.Style {
	return text.Style{
		Color:   c,
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size),
		Handler: plainText,
	}
}

// restyled gives s the chart's font and colour, and keeps how it is aligned and turned.
func restyled(s text.Style, size vg.Length) text.Style {
	n := style(size, ink)
	n.Rotation, n.XAlign, n.YAlign = s.Rotation, s.XAlign, s.YAlign
	return n
}

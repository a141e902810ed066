package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// page is what is written.
type page struct {
	machine
	options
	*results
	started time.Time
	took    time.Duration
}

// write writes the page and the chart.
func (p *page) write() error {
	chart := strings.TrimSuffix(p.out, ".md") + ".svg"
	var svg bytes.Buffer
	drawn, err := p.chart().write(&svg)
	if err != nil {
		return err
	}
	if drawn {
		if err := os.WriteFile(chart, svg.Bytes(), 0o666); err != nil {
			return err
		}
	} else {
		chart = ""
	}
	var text bytes.Buffer
	p.render(&text, filepath.Base(chart))
	return os.WriteFile(p.out, text.Bytes(), 0o666)
}

// summary is for the terminal: the targets, and where the rest is.
func (p *page) summary(w io.Writer) {
	for _, o := range p.outcomes(targets) {
		if !o.measured {
			continue
		}
		fmt.Fprintf(w, "%-42s %-24s %6s  limit %-6s %s\n", o.what, o.basis, ratio(o.ratio),
			bound(o.limit), strings.Trim(o.verdict(), "*"))
	}
	fmt.Fprintf(w, "%s\n", p.out)
}

func (p *page) render(w io.Writer, chart string) {
	fmt.Fprint(w, "# Benchmarks\n\n")
	if p.quick {
		fmt.Fprint(w, "**This is a smoke run (`-quick`). The figures mean nothing.**\n\n")
	}
	fmt.Fprintf(w, "Written by the command below; do not edit. Each measurement is a process of its own, "+
		"and each of %d rounds runs every implementation once, one after the other, so that all meet "+
		"the same noise. Figures are medians over the rounds; ± is the interval that has the true "+
		"median with 95%% confidence (∞: fewer than 6 rounds). Times differ between machines: compare "+
		"the ratios.\n\n", p.rounds)
	p.renderMachine(w)
	p.renderTargets(w)
	if chart != "" && chart != "." {
		fmt.Fprintf(w, "![Time for one block, by work and implementation](%s)\n\n", chart)
	}
	for _, work := range works {
		p.renderWork(w, work)
	}
	p.renderLeads(w)
	p.renderImplementations(w)
	p.renderMissing(w)
}

func (p *page) renderMachine(w io.Writer) {
	rows := [][]string{
		{"command", "`" + p.command + "`"},
		{"date", fmt.Sprintf("%s, %s long", p.started.UTC().Format("2006-01-02 15:04 UTC"), p.took.Round(time.Second))},
		{"processor", fmt.Sprintf("%s, %d cores", p.cpu, p.cores)},
		{"memory", p.memory},
		{"system", p.system},
		{"Go", p.goVersion},
		{"C compiler", p.cc},
		{"jemalloc", p.jemalloc},
	}
	table(w, []string{"", ""}, "ll", rows)
}

func (p *page) renderTargets(w io.Writer) {
	fmt.Fprint(w, "## What it has to show\n\nRatios of zmem's median to that of what it is compared "+
		"with: of times, or, where the limit is a least, of throughputs.\n\n")
	var rows [][]string
	for _, o := range p.outcomes(targets) {
		sign := "≤ "
		if o.atLeast {
			sign = "≥ "
		}
		limit, aim, measured := sign+bound(o.limit), "", ""
		if o.aim != 0 {
			aim = sign + bound(o.aim)
		}
		if o.measured {
			measured = ratio(o.ratio)
		}
		rows = append(rows, []string{o.what, o.basis, limit, aim, measured, o.verdict()})
	}
	if compared, leads := p.comparedWithPeers(); compared > 0 {
		verdict := "reached"
		if len(leads) > 0 {
			verdict = "**missed**"
		}
		rows = append(rows, []string{"Every work that a peer does too", "each peer", "none ahead", "",
			fmt.Sprintf("%d of %d ahead", len(leads), compared), verdict})
	}
	table(w, []string{"work", "compared with", "limit", "aim", "measured", ""}, "llrrrl", rows)
}

// renderWork writes a table for each combination of parameters but goroutines, whose numbers stand
// side by side.
func (p *page) renderWork(w io.Writer, work work) {
	var order []string               // combinations of parameters
	columns := map[string][]string{} // combination: goroutines=..., or ""
	rows := map[string][]string{}    // combination: implementations
	for _, name := range p.cases {
		base, impl, params := split(name)
		if base != work.name {
			continue
		}
		var rest []string
		column := ""
		for _, param := range params {
			if strings.HasPrefix(param, "goroutines=") {
				column = param
			} else {
				rest = append(rest, param)
			}
		}
		key := strings.Join(rest, "/")
		if _, seen := columns[key]; !seen {
			order = append(order, key)
		}
		columns[key] = appendNew(columns[key], column)
		rows[key] = appendNew(rows[key], impl)
	}
	if len(order) == 0 {
		return
	}
	fmt.Fprintf(w, "## %s\n\n%s\n\n", work.title, work.about)
	bySize(order)
	for _, key := range order {
		if len(order) > 1 {
			fmt.Fprintf(w, "### %s\n\n", inWords(key))
		}
		bySize(columns[key])
		p.renderCases(w, work, key, columns[key], rows[key])
	}
}

func (p *page) renderCases(w io.Writer, work work, key string, columns, impls []string) {
	against := work.against
	if against == nil {
		against = []string{"ristretto", "go"}
	}
	caseOf := func(impl, column string) string {
		var params []string
		for _, param := range append(strings.Split(key, "/"), column) {
			if param != "" {
				params = append(params, param)
			}
		}
		return join(work.name, impl, params)
	}
	head, align := []string{""}, "l"
	for _, column := range columns {
		head, align = append(head, cmp.Or(inWords(column), "time"), "±"), align+"rr"
		for _, base := range against {
			head, align = append(head, "× "+label(base)), align+"r"
		}
	}
	head, align = append(head, "Go allocs"), align+"r"

	slices.SortStableFunc(impls, func(a, b string) int {
		ta, _, _ := p.median(caseOf(a, columns[0]))
		tb, _, _ := p.median(caseOf(b, columns[0]))
		return cmp.Compare(ta, tb)
	})
	var rows [][]string
	for _, impl := range impls {
		row := []string{label(impl)}
		for _, column := range columns {
			name := caseOf(impl, column)
			sec, spread, ok := p.median(name)
			if !ok {
				row = append(row, make([]string, 2+len(against))...)
				continue
			}
			row = append(row, duration(sec), spread)
			for _, base := range against {
				text := ""
				if r, ok := p.ratio(name, caseOf(base, column)); ok && impl != base {
					text = ratio(r)
				}
				row = append(row, text)
			}
		}
		allocs := ""
		if n := p.allocs[caseOf(impl, columns[0])]; len(n) > 0 {
			n = slices.Sorted(slices.Values(n))
			allocs = fmt.Sprint(n[len(n)/2])
		}
		rows = append(rows, append(row, allocs))
	}
	table(w, head, align, rows)
	for _, im := range implementations {
		for _, column := range columns {
			if why, ok := p.leftOut[caseOf(im.name, column)]; ok {
				fmt.Fprintf(w, "%s is not in this table: %s.\n\n", strings.Trim(im.label, "*"), why)
				break
			}
		}
	}
}

func (p *page) renderLeads(w io.Writer) {
	_, leads := p.comparedWithPeers()
	if len(leads) == 0 {
		return
	}
	fmt.Fprint(w, "## Where a peer is ahead\n\n")
	var rows [][]string
	for _, l := range leads {
		work, _, params := split(l.name)
		_, peer, _ := split(l.peer)
		rows = append(rows, []string{inWords(strings.Join(append([]string{work}, params...), "/")), label(peer),
			duration(l.their), duration(l.ours), ratio(l.ours / l.their)})
	}
	table(w, []string{"work", "peer", "its time", "zmem's", "zmem's as a multiple"}, "llrrr", rows)
}

func (p *page) renderImplementations(w io.Writer) {
	fmt.Fprint(w, "## What is compared\n\nEach is used as its documentation says is fastest to get n zeroed "+
		"bytes and give them back, and does the same work, in the same source, called directly.\n\n")
	var rows [][]string
	for _, im := range implementations {
		version := p.modules[im.module]
		if im.module == "" {
			version = ""
		} else if version == "" {
			version = "not built"
		}
		rows = append(rows, []string{im.label, code(im.module), version, im.about})
	}
	table(w, []string{"", "module", "version", "how"}, "llll", rows)
}

func (p *page) renderMissing(w io.Writer) {
	if len(p.missing) == 0 {
		return
	}
	fmt.Fprint(w, "## What could not be measured\n\n")
	var ids []string
	for id := range p.missing {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		fmt.Fprintf(w, "- %s: %s\n", strings.Trim(label(id), "*"), p.missing[id])
	}
	fmt.Fprintln(w)
}

// table writes a Markdown table; align has an l or r for each column.
func table(w io.Writer, head []string, align string, rows [][]string) {
	line := func(cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	rule := make([]string, len(head))
	for i := range rule {
		rule[i] = map[byte]string{'l': "---", 'r': "---:"}[align[i]]
	}
	line(rule)
	for _, row := range rows {
		escaped := make([]string, len(row))
		for i, cell := range row {
			escaped[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		line(escaped)
	}
	fmt.Fprintln(w)
}

// bound prints a limit: "0.12", "2", "1/3".
func bound(v float64) string {
	if v == 1.0/3 {
		return "1/3"
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func join(work, impl string, params []string) string {
	return strings.Join(append([]string{work, "impl=" + impl}, params...), "/")
}

// bySize puts "size=16" before "size=256"; only names with the same key are moved.
func bySize(keys []string) {
	slices.SortStableFunc(keys, func(a, b string) int {
		keyA, _, _ := strings.Cut(a, "=")
		keyB, _, _ := strings.Cut(b, "=")
		if keyA != keyB {
			return 0
		}
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
}

// inWords is a part of a case's name for people: "size=32/goroutines=2" is "32 bytes, 2 goroutines".
func inWords(params string) string {
	var words []string
	for param := range strings.SplitSeq(params, "/") {
		key, value, ok := strings.Cut(param, "=")
		switch {
		case !ok:
			words = append(words, param)
		case key == "size":
			words = append(words, value+" bytes")
		case key == "goroutines" && value == "1":
			words = append(words, "1 goroutine")
		case key == "goroutines":
			words = append(words, value+" goroutines")
		case key == "live":
			words = append(words, value+" live")
		default:
			words = append(words, key+" "+value)
		}
	}
	return strings.Join(words, ", ")
}

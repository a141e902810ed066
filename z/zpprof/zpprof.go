// Package zpprof serves the profile of manual memory over HTTP, as net/http/pprof does those of Go.
//
// Importing it, for that alone, registers /debug/pprof/zmem with http.DefaultServeMux:
//
//	import _ "github.com/zmem-go/zmem/z/zpprof"
//
// and then
//
//	go tool pprof http://localhost:6060/debug/pprof/zmem
//	go tool pprof -sample_index=alloc_space http://localhost:6060/debug/pprof/zmem?seconds=30
//
// With another mux, register Handler there.
package zpprof

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/pprof/profile"

	"github.com/zmem-go/zmem/z"
)

const path = "/debug/pprof/zmem"

func init() { http.Handle(pattern(), Handler()) }

// pattern is how path is registered beside net/http/pprof's, whose patterns have a method, unless
// the program asked for the mux of Go 1.21, which knows of none.
func pattern() string {
	const withMethod = "GET " + path
	mux := http.NewServeMux()
	mux.Handle(withMethod, http.NotFoundHandler())
	probe, err := http.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return path
	}
	if _, found := mux.Handler(probe); found != withMethod {
		return path
	}
	return withMethod
}

// Handler returns a handler that responds with what z.WriteHeapProfile writes. With debug=1 in the
// query it is text for people to read; with seconds=N it is what changed within N seconds.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	debug, ok := number(w, r, "debug")
	if !ok {
		return
	}
	seconds, ok := number(w, r, "seconds")
	if !ok {
		return
	}
	p, err := collect()
	if err == nil && seconds > 0 {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Duration(seconds) * time.Second):
		}
		p, err = change(p, time.Duration(seconds)*time.Second)
	}
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	if debug > 0 {
		header.Set("Content-Type", "text/plain; charset=utf-8")
		writeText(w, p)
		return
	}
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Disposition", `attachment; filename="zmem"`)
	_ = p.Write(w) // the client is gone
}

// number is a number of the query, 0 where it is not there; otherwise it responds and returns false.
func number(w http.ResponseWriter, r *http.Request, name string) (int, bool) {
	text := r.FormValue(name)
	if text == "" {
		return 0, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 24*60*60 {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("%s=%q is not a number from 0 to 86400", name, text))
		return 0, false
	}
	return n, true
}

func refuse(w http.ResponseWriter, code int, text string) {
	w.Header().Set("X-Go-Pprof", "1") // has pprof show the text
	http.Error(w, text, code)
}

// collect is the profile as it stands.
func collect() (*profile.Profile, error) {
	var buf bytes.Buffer
	if err := z.WriteHeapProfile(&buf); err != nil {
		return nil, err
	}
	return profile.Parse(&buf)
}

// change is what changed since p.
func change(p *profile.Profile, d time.Duration) (*profile.Profile, error) {
	now, err := collect()
	if err != nil {
		return nil, err
	}
	at, comments := now.TimeNanos, now.Comments
	p.Scale(-1)
	delta, err := profile.Merge([]*profile.Profile{p, now})
	if err != nil {
		return nil, err
	}
	delta.TimeNanos, delta.DurationNanos, delta.Comments = at, int64(d), comments
	return delta, nil
}

// writeText writes a profile as Go's heap profile looks with debug=1: what is live of each stack, in
// blocks and bytes, in brackets what it allocated ever, and then the stack.
func writeText(w io.Writer, p *profile.Profile) {
	const allocObjects, allocBytes, liveObjects, liveBytes = 0, 1, 2, 3
	slices.SortStableFunc(p.Sample, func(a, b *profile.Sample) int {
		return int(max(-1, min(1, b.Value[liveBytes]-a.Value[liveBytes])))
	})
	total := [4]int64{}
	for _, s := range p.Sample {
		for i, v := range s.Value {
			total[i] += v
		}
	}
	line := func(v []int64) string {
		return fmt.Sprintf("%d: %d [%d: %d] @", v[liveObjects], v[liveBytes], v[allocObjects], v[allocBytes])
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "heap profile: %s zmem/%d\n", line(total[:]), p.Period)
	for _, c := range p.Comments {
		fmt.Fprintf(&out, "# %s\n", c)
	}
	for _, s := range p.Sample {
		out.WriteString(line(s.Value))
		for _, l := range s.Location {
			fmt.Fprintf(&out, " %#x", l.Address)
		}
		if tag := s.Label["tag"]; len(tag) > 0 {
			fmt.Fprintf(&out, " tag %q", tag[0])
		}
		out.WriteByte('\n')
		for _, l := range s.Location {
			for _, line := range l.Line {
				fmt.Fprintf(&out, "#\t%#x\t%s\t%s:%d\n", l.Address, line.Function.Name,
					line.Function.Filename, line.Line)
			}
		}
	}
	_, _ = out.WriteTo(w) // the client is gone
}

package main

import (
	"fmt"
	"io"

	"github.com/dustin/go-humanize"

	"github.com/zmem-go/zmem/contrib/internal/size"
)

const (
	headFormat = "%-6s %9s %14s %9s %14s %14s\n"
	rowFormat  = "%-6s %9.3f %14s %9s %14s %14s\n"
)

// write prints a line for each step, and what came of it.
func (r result) write(w io.Writer) {
	fmt.Fprintf(w, headFormat, "", "seconds", "records/s", "MiB/s", "resident, MiB", "private, MiB")
	for i, s := range r.steps {
		records := float64(r.n) / max(s.seconds, 1e-9)
		fmt.Fprintf(w, rowFormat, stepNames[i], s.seconds, humanize.Comma(int64(records)),
			size.Bytes(records*framedSize).InMiB(), size.Bytes(s.resident).InMiB(),
			size.Bytes(s.private).InMiB())
	}
	if r.ordered {
		fmt.Fprintf(w, "in order: %s records, checksum %016x\n", humanize.Comma(int64(r.n)), r.checksum)
	}
}

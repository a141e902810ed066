package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/zmem-go/zmem/contrib/internal/chart"
)

// files are what the runs are written to. They are opened before the first run, which may take
// minutes, so that one that cannot be written is found at once; what they held stays until then.
type files struct{ chart, csv *file }

type file struct {
	*os.File
	created bool // by us, and empty so far
}

func createFiles(opts options) (files, error) {
	var f files
	var err error
	if f.chart, err = createFile("-chart", opts.chart); err != nil {
		return f, err
	}
	if f.csv, err = createFile("-csv", opts.csv); err != nil {
		f.close()
		return f, err
	}
	return f, nil
}

// createFile opens a file for writing; nil where the name is empty.
func createFile(flag, name string) (*file, error) {
	if name == "" {
		return nil, nil
	}
	_, statErr := os.Stat(name)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return &file{f, errors.Is(statErr, os.ErrNotExist)}, nil
}

// write writes all files, and goes on to the second when the first fails.
func (f files) write(opts options, runs []*run) error {
	return errors.Join(
		f.chart.replace(func(w io.Writer) error {
			format, err := chart.FormatOf(opts.chart)
			if err != nil {
				return err
			}
			return picture(opts.plan, runs).Write(w, format)
		}),
		f.csv.replace(func(w io.Writer) error { return writeCSV(w, opts.plan, runs) }),
	)
}

// replace puts what write writes in the place of what the file held.
func (f *file) replace(write func(io.Writer) error) error {
	if f == nil {
		return nil
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	f.created = false
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return w.Flush()
}

// close closes the files, and removes those that stayed empty.
func (f files) close() {
	for _, f := range []*file{f.chart, f.csv} {
		if f == nil {
			continue
		}
		f.Close()
		if f.created {
			os.Remove(f.Name())
		}
	}
}

// writeCSV writes all samples of all runs, one a line.
func writeCSV(w io.Writer, p plan, runs []*run) error {
	_, err := fmt.Fprintln(w, "backend,seconds,cycle,phase,in_use_bytes,resident_bytes")
	for _, r := range runs {
		for _, s := range r.Samples {
			cycle, phase := p.phaseName(s.Phase)
			if _, e := fmt.Fprintf(w, "%s,%.6f,%d,%s,%d,%d\n", r.Backend, s.Seconds, cycle, phase,
				s.InUse, s.Resident); e != nil {
				err = e
			}
		}
	}
	return err
}

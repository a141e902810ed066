package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFiles_UnwritableIsFoundBefore(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ flag, name string }{
		{"-chart", filepath.Join(dir, "missing", "a.svg")},
		{"-chart", dir},
		{"-csv", filepath.Join(dir, "missing", "a.csv")},
	} {
		o := options{chart: filepath.Join(dir, "good.svg"), csv: filepath.Join(dir, "good.csv")}
		if tt.flag == "-chart" {
			o.chart = tt.name
		} else {
			o.csv = tt.name
		}
		f, err := createFiles(o)
		if err == nil || !strings.Contains(err.Error(), tt.flag) {
			t.Errorf("%s %s: %v", tt.flag, tt.name, err)
		}
		f.close()
		left, _ := os.ReadDir(dir)
		if len(left) != 0 {
			t.Errorf("%s %s left %v behind", tt.flag, tt.name, left)
		}
	}
}

func TestFiles_OldContentStaysUntilTheEnd(t *testing.T) {
	dir := t.TempDir()
	o := options{plan: examplePlan, csv: filepath.Join(dir, "a.csv")}
	old := strings.Repeat("old\n", 10000)
	if err := os.WriteFile(o.csv, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := createFiles(o)
	if err != nil {
		t.Fatal(err)
	}
	f.close() // as where the run never came to its end
	if b, err := os.ReadFile(o.csv); err != nil || string(b) != old {
		t.Fatalf("the old file has changed: %v", err)
	}
	if f, err = createFiles(o); err != nil {
		t.Fatal(err)
	}
	if err := f.write(o, []*run{exampleRun("libc", 1)}); err != nil {
		t.Fatal(err)
	}
	f.close()
	b, err := os.ReadFile(o.csv)
	if err != nil || strings.Contains(string(b), "old") || !strings.Contains(string(b), "libc,") {
		t.Errorf("the new file: %v, %.100q", err, b)
	}
}

func TestFiles_OneFailsTheOtherIsWritten(t *testing.T) {
	dir := t.TempDir()
	o := options{plan: examplePlan, chart: filepath.Join(dir, "a.svg"), csv: filepath.Join(dir, "a.csv")}
	f, err := createFiles(o)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	f.chart.Close()
	if err := f.write(o, []*run{exampleRun("libc", 2)}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("no word of the chart: %v", err)
	}
	if b, err := os.ReadFile(o.csv); err != nil || len(b) == 0 {
		t.Errorf("no samples: %v", err)
	}
}

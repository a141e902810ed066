package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/zmem-go/zmem/contrib/internal/size"
)

// machine is what the figures hold for. What cannot be found out is "unknown".
type machine struct {
	cpu, memory, system, goVersion, cc, jemalloc string

	cores   int
	modules map[string]string // path: version
}

func describe(ctx context.Context, d dirs, b *built, res *results) machine {
	m := machine{
		cpu:       cmp.Or(res.config["cpu"], "unknown"),
		cores:     runtime.NumCPU(),
		memory:    cmp.Or(memory(), "unknown"),
		system:    cmp.Or(system(ctx), "unknown"),
		goVersion: runtime.Version(),
		cc:        cmp.Or(compiler(ctx, d), "unknown"),
		jemalloc:  cmp.Or(res.config["jemalloc"], "unknown"),
		modules:   map[string]string{},
	}
	for _, im := range implementations {
		if im.module == "" {
			continue
		}
		if _, missing := b.missing[im.name]; missing {
			continue
		}
		args := append([]string{"list", "-m", "-f", "{{.Version}}"}, b.module.modflag()...)
		if version, err := output(ctx, d.bench, "go", append(args, im.module)...); err == nil {
			m.modules[im.module] = version
		}
	}
	return m
}

// memory is the machine's memory, rounded to what was sold.
func memory() string {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "MemTotal:" {
			continue
		}
		if kB, err := strconv.ParseInt(words[1], 10, 64); err == nil {
			return size.Bytes(kB << 10).String()
		}
	}
	return ""
}

var number = regexp.MustCompile(`^\d+(\.\d+)*`)

// system is the kernel and its version, without what its builder added to that.
func system(ctx context.Context) string {
	name, err := output(ctx, "", "uname", "-s")
	if err != nil {
		return ""
	}
	version, err := output(ctx, "", "uname", "-r")
	if err != nil {
		return name
	}
	return fmt.Sprintf("%s %s, %s", name, number.FindString(version), runtime.GOARCH)
}

// compiler is the C compiler that cgo uses.
func compiler(ctx context.Context, d dirs) string {
	cc, err := output(ctx, d.bench, "go", "env", "CC")
	if err != nil {
		return ""
	}
	words := strings.Fields(cc)
	text, err := output(ctx, "", words[0], append(words[1:], "--version")...)
	if err != nil {
		return cc
	}
	first, _, _ := strings.Cut(text, "\n")
	return first
}

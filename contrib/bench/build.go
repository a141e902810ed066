package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// built is what there is to run.
type built struct {
	tests    map[string]string // see testBinary
	programs map[string]string // "<work>/impl=<name>": its binary
	module   module            // with what was fetched
	missing  map[string]string // implementation, or "<work>/impl=<name>": why there is none
}

// module is which go.mod a build goes by, and with which tags.
type module struct {
	modfile string // none: go.mod
	tags    []string
}

// flags are those of the go command for a build with further tags, separated by commas.
func (m module) flags(tags string) []string {
	all := slices.Clone(m.tags)
	if tags != "" {
		all = append(all, tags)
	}
	return append([]string{"-tags", strings.Join(all, ",")}, m.modflag()...)
}

func (m module) modflag() []string {
	if m.modfile == "" {
		return nil
	}
	return []string{"-modfile", m.modfile}
}

func build(ctx context.Context, d dirs, opts options) (*built, error) {
	b := &built{tests: map[string]string{}, programs: map[string]string{}, missing: map[string]string{}}
	mod, err := addPeers(ctx, d, opts, b.missing)
	if err != nil {
		return nil, err
	}
	b.module = mod
	for _, w := range works {
		if w.pkg != "" {
			if err := b.buildTests(ctx, d, w, opts); err != nil {
				return nil, err
			}
		}
		for _, p := range w.programs {
			id := w.name + "/impl=" + p.impl
			if !opts.run.MatchString(id) {
				continue
			}
			fmt.Fprintf(os.Stderr, "building %s\n", id)
			bin, err := p.build(ctx, d, w.name, mod)
			if err != nil {
				return nil, err
			}
			b.programs[id] = bin
		}
	}
	return b, nil
}

// testBinary names the test binary of a package in which an implementation is.
func testBinary(pkg, impl string) string {
	name := pkg
	if im := find(impl); im != nil && im.exp+im.with != "" {
		name += "-" + im.exp + im.with
	}
	return name + ".test"
}

// buildTests builds the test binaries that a work needs and that are not there yet.
func (b *built) buildTests(ctx context.Context, d dirs, w work, opts options) error {
	for _, impl := range w.implNames() {
		id, name := w.name+"/impl="+impl, testBinary(w.pkg, impl)
		if b.tests[name] != "" || b.missing[impl] != "" || !opts.run.MatchString(id) {
			continue
		}
		fmt.Fprintf(os.Stderr, "building %s\n", name)
		bin := filepath.Join(d.build, name)
		args := append([]string{"GOEXPERIMENT=" + find(impl).exp, "go", "test", "-c", "-o", bin},
			b.module.flags(strings.TrimSuffix("jemalloc,"+find(impl).with, ","))...)
		_, err := output(ctx, d.bench, "env", append(args, "./"+w.pkg)...)
		switch {
		case err == nil:
			b.tests[name] = bin
		case find(impl).exp != "" && ctx.Err() == nil:
			b.missing[impl] = reason(fmt.Errorf("it could not be built: %w", err))
		default:
			return fmt.Errorf("%w\n(jemalloc comes with: make jemalloc)", err)
		}
	}
	return nil
}

func (p program) build(ctx context.Context, d dirs, work string, mod module) (string, error) {
	bin := filepath.Join(d.build, strings.ToLower(work)+"-"+p.impl)
	args := append([]string{"build", "-o", bin}, mod.flags(p.tags)...)
	if len(p.overlay) > 0 {
		dir, err := output(ctx, d.bench, "go", "list", "-f", "{{.Dir}}", p.pkg)
		if err != nil {
			return "", err
		}
		replace := map[string]string{}
		for file, by := range p.overlay {
			replace[filepath.Join(dir, file)] = filepath.Join(d.bench, by)
		}
		text, err := json.Marshal(map[string]any{"Replace": replace})
		if err != nil {
			return "", err
		}
		overlay := bin + ".overlay.json"
		if err := os.WriteFile(overlay, text, 0o666); err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	_, err := output(ctx, d.bench, "go", append(args, p.pkg)...)
	return bin, err
}

// addPeers tries to get the modules that go.mod does not have. It works on a copy of go.mod, so that
// a run changes no file that is kept. Why one is not to be had goes into missing.
func addPeers(ctx context.Context, d dirs, opts options, missing map[string]string) (module, error) {
	var mod module
	for _, im := range implementations {
		if im.tag == "" {
			continue
		}
		if !wanted(im.name, opts) {
			continue
		}
		if opts.offline {
			missing[im.name] = "it is not in go.mod, and -offline keeps it from being fetched"
			continue
		}
		fmt.Fprintf(os.Stderr, "fetching %s\n", im.module)
		with, err := addPeer(ctx, d, mod, im)
		if ctx.Err() != nil {
			return module{}, ctx.Err()
		}
		if err != nil {
			missing[im.name] = reason(err)
			fmt.Fprintf(os.Stderr, "  left out: %s\n", missing[im.name])
			continue
		}
		mod = with
	}
	return mod, nil
}

// wanted tells whether -run lets an implementation do any work at all.
func wanted(impl string, opts options) bool {
	return slices.ContainsFunc(works, func(w work) bool {
		return slices.Contains(w.implNames(), impl) && opts.run.MatchString(w.name+"/impl="+impl)
	})
}

// addPeer is mod with one more module, if that can be fetched and the benchmarks compile with it.
func addPeer(ctx context.Context, d dirs, mod module, im implementation) (module, error) {
	with := module{filepath.Join(d.build, im.name+".mod"), append(slices.Clone(mod.tags), im.tag)}
	from := mod.modfile
	if from == "" {
		from = filepath.Join(d.bench, "go.mod")
	}
	for _, ext := range []string{".mod", ".sum"} {
		text, err := os.ReadFile(strings.TrimSuffix(from, ".mod") + ext)
		if err != nil {
			return module{}, err
		}
		if err := os.WriteFile(strings.TrimSuffix(with.modfile, ".mod")+ext, text, 0o666); err != nil {
			return module{}, err
		}
	}
	get, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if _, err := output(get, d.bench, "go", "get", "-modfile", with.modfile, im.module+"@latest"); err != nil {
		return module{}, fmt.Errorf("it could not be fetched: %w", err)
	}
	args := append([]string{"test", "-c", "-o", os.DevNull}, with.flags("jemalloc")...)
	if _, err := output(ctx, d.bench, "go", append(args, "./alloc", "./arena")...); err != nil {
		return module{}, fmt.Errorf("it could not be built: %w", err)
	}
	return with, nil
}

// output runs a command in a folder and returns what it printed, without the space around it. Its
// error has what the command wrote to stderr.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		text := strings.TrimSpace(stderr.String())
		if text == "" {
			return "", fmt.Errorf("%s %s: %w", name, args[0], err)
		}
		return "", errors.New(text)
	}
	return strings.TrimSpace(string(out)), nil
}

var address = regexp.MustCompile(`(reading )?\S*https?://\S+ *`)

// reason is an error in one line that says nothing of where this machine gets its modules from.
func reason(err error) string {
	text := address.ReplaceAllString(err.Error(), "")
	text = strings.Join(strings.Fields(text), " ")
	const most = 240
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " ..."
	}
	return text
}

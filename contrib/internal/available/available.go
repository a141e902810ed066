// Package available tells how much memory a process can still take before the kernel stops it.
//
// That is what the whole machine has available, or less where a control group (a container, a
// service) limits the process. Control groups nest, and the tightest one counts.
package available

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// Bytes returns the memory available to this process, in bytes: what is free and what the kernel
// can take from its file caches. It fails where the system has no /proc/meminfo.
func Bytes() (int64, error) {
	return from(os.DirFS("/"))
}

func from(root fs.FS) (int64, error) {
	machine, err := memAvailable(root)
	if err != nil {
		return 0, fmt.Errorf("available: %w", err)
	}
	return min(machine, cgroups(root)), nil
}

// memAvailable reads the kernel's own estimate for the whole machine.
func memAvailable(root fs.FS) (int64, error) {
	meminfo, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, err
	}
	kB, ok := field(meminfo, "MemAvailable:")
	if !ok || kB > math.MaxInt64/1024 {
		return 0, errors.New("/proc/meminfo has no MemAvailable")
	}
	return kB * 1024, nil
}

// version names what differs between the two versions of control groups.
type version struct {
	fstype string
	limits []string // files that hold a limit; the lowest counts
	usage  string   // file that holds the bytes in use, file caches included
	cache  string   // entry of memory.stat: bytes of file cache that can be dropped
}

var (
	v1 = version{
		fstype: "cgroup",
		limits: []string{"memory.limit_in_bytes"},
		usage:  "memory.usage_in_bytes",
		cache:  "total_inactive_file",
	}
	v2 = version{
		fstype: "cgroup2",
		limits: []string{"memory.max", "memory.high"},
		usage:  "memory.current",
		cache:  "inactive_file",
	}
)

// cgroups returns what the control groups leave to this process, math.MaxInt64 where none limits
// it. A file that is missing or says nothing counts as no limit: this is advice, not a check.
func cgroups(root fs.FS) int64 {
	mountinfo, _ := fs.ReadFile(root, "proc/self/mountinfo")
	membership, _ := fs.ReadFile(root, "proc/self/cgroup")
	left := int64(math.MaxInt64)
	for _, m := range mounts(string(mountinfo)) {
		group, ok := member(string(membership), m.version)
		if !ok {
			continue
		}
		// Below the mount point stands what is below m.root. Inside a container the group may be
		// named from outside of it: then the mount point itself is the container's group.
		below, inside := strings.CutPrefix(group, strings.TrimSuffix(m.root, "/"))
		if !inside || below != "" && below[0] != '/' {
			below = "/"
		}
		for dir := path.Clean("/" + below); ; dir = path.Dir(dir) {
			left = min(left, m.version.left(root, path.Join(m.point, dir)))
			if dir == "/" {
				break
			}
		}
	}
	return left
}

// mount is a place where control groups can be read.
type mount struct {
	version version
	root    string // the group that stands at the mount point
	point   string
}

// mounts finds the memory controller's hierarchies in the text of /proc/self/mountinfo, whose lines
// read "36 35 98:0 /root /point options - fstype source superoptions".
func mounts(mountinfo string) []mount {
	var found []mount
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		where, what := strings.Fields(before), strings.Fields(after)
		if len(where) < 5 || len(what) < 3 {
			continue
		}
		switch {
		case what[0] == v2.fstype:
			found = append(found, mount{v2, where[3], where[4]})
		case what[0] == v1.fstype && hasWord(what[2], "memory"):
			found = append(found, mount{v1, where[3], where[4]})
		}
	}
	return found
}

// member finds this process's group in the text of /proc/self/cgroup, whose lines read
// "4:cpu,memory:/group" for version 1 and "0::/group" for version 2.
func member(membership string, v version) (group string, ok bool) {
	for line := range strings.Lines(membership) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		if v.fstype == v2.fstype && parts[0] == "0" && parts[1] == "" ||
			v.fstype == v1.fstype && hasWord(parts[1], "memory") {
			return parts[2], true
		}
	}
	return "", false
}

// left returns what one group's limits leave, math.MaxInt64 where it has none.
func (v version) left(root fs.FS, dir string) int64 {
	dir = strings.TrimPrefix(dir, "/")
	limit := int64(math.MaxInt64)
	for _, name := range v.limits {
		if n, ok := number(root, path.Join(dir, name)); ok {
			limit = min(limit, n)
		}
	}
	if limit == math.MaxInt64 {
		return limit
	}
	used, _ := number(root, path.Join(dir, v.usage))
	stat, _ := fs.ReadFile(root, path.Join(dir, "memory.stat"))
	cache, _ := field(stat, v.cache)
	return max(0, limit-max(0, used-cache))
}

// number reads a file that holds one number; "max" is none.
func number(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	return n, err == nil && n >= 0
}

// field returns the number after the word that starts a line.
func field(text []byte, name string) (int64, bool) {
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		if len(words) >= 2 && string(words[0]) == name {
			n, err := strconv.ParseInt(string(words[1]), 10, 64)
			return n, err == nil && n >= 0
		}
	}
	return 0, false
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

package z

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// MemoryLimitFromCgroup is the most memory, in bytes, that the control groups of this process allow
// it, be it as container, service or pod: the least limit of its group and all above that can be
// seen, of cgroup v2 (memory.max) or v1 (memory.limit_in_bytes). It is math.MaxInt64 where there is
// none. On a system without control groups, or where /proc or their file system cannot be read, it is
// an error that is fs.ErrNotExist or the system's.
//
// The limit is read once. A group's may be changed while the process runs.
func MemoryLimitFromCgroup() (int64, error) {
	limit, err := cgroupLimit(os.DirFS("/"))
	if err != nil {
		return 0, fmt.Errorf("z: MemoryLimitFromCgroup: %w", err)
	}
	return limit, nil
}

// cgroupLimit reads it from a file system that has proc and what is mounted.
func cgroupLimit(root fs.FS) (int64, error) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, err
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return 0, err
	}
	// Where v1 has the memory controller, v2 may be mounted as well, but without it.
	group, kind, file := memoryGroup(string(groups), "memory"), "cgroup", "memory.limit_in_bytes"
	if group == "" {
		group, kind, file = memoryGroup(string(groups), ""), "cgroup2", "memory.max"
	}
	if group == "" {
		return 0, fmt.Errorf("memory is in no control group: %w", fs.ErrNotExist)
	}
	mount, top := memoryMount(string(mounts), kind)
	if mount == "" {
		return 0, fmt.Errorf("no file system of type %s is mounted: %w", kind, fs.ErrNotExist)
	}
	// In a container, the top of the mount may be the group itself, or out of sight.
	below, ok := strings.CutPrefix(group, strings.TrimSuffix(top, "/"))
	if !ok || (below != "" && below[0] != '/') || strings.Contains(group, "/..") {
		below = ""
	}
	limit := int64(math.MaxInt64)
	for dir := path.Join(mount, below); ; dir = path.Dir(dir) {
		l, err := readLimit(root, path.Join(dir, file))
		if err != nil {
			return 0, err
		}
		limit = min(limit, l)
		if dir == mount {
			return limit, nil
		}
	}
}

// memoryGroup is the path of the group in /proc/self/cgroup that has a controller; "" stands for v2.
// Its lines are "4:cpu,memory:/path".
func memoryGroup(groups, controller string) string {
	for line := range strings.Lines(groups) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) < 3 {
			continue
		}
		for name := range strings.SplitSeq(f[1], ",") {
			if name == controller && (controller != "" || f[0] == "0") {
				return f[2]
			}
		}
	}
	return ""
}

// memoryMount is where /proc/self/mountinfo says that control groups for memory are mounted, relative
// to the root of the file system, and the group at the top of it; "" where it says nothing. A line is
// "36 35 98:0 TOP MOUNT options ... - TYPE source options".
func memoryMount(mounts, kind string) (mount, top string) {
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 3 || g[0] != kind {
			continue
		}
		if kind == "cgroup2" || strings.Contains(","+g[2]+",", ",memory,") {
			return strings.TrimPrefix(unescape(f[4]), "/"), unescape(f[3])
		}
	}
	return "", ""
}

// unescape replaces what mountinfo has instead of spaces, tabs, newlines and backslashes.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// readLimit reads a limit. The group at the very top has no file, and what the process may not see
// limits it all the same, but not as far as we know.
func readLimit(root fs.FS, name string) (int64, error) {
	text, err := fs.ReadFile(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return math.MaxInt64, nil
	}
	if err != nil {
		return 0, err
	}
	word := strings.TrimSpace(string(text))
	if word == "max" {
		return math.MaxInt64, nil
	}
	limit, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	if limit > math.MaxInt64-1<<20 { // v1 has no word for none, but the largest number of whole pages
		return math.MaxInt64, nil
	}
	return int64(limit), nil
}

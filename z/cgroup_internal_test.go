package z

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"runtime"
	"testing"
	"testing/fstest"
)

const (
	mountV2     = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	mountV1     = "33 25 0:29 / /sys/fs/cgroup/memory rw shared:13 - cgroup cgroup rw,memory\n"
	mountV1CPU  = "32 25 0:28 / /sys/fs/cgroup/cpu rw shared:12 - cgroup cgroup rw,cpu,cpuacct\n"
	mountHybrid = "31 25 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n"
	mountRoot   = "23 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
)

func TestCgroupLimit(t *testing.T) {
	const none = math.MaxInt64
	for _, c := range []struct {
		name           string
		groups, mounts string
		files          map[string]string
		want           int64
	}{
		{"v2, a service", "0::/system.slice/db.service\n", mountRoot + mountV2, map[string]string{
			"sys/fs/cgroup/system.slice/memory.max":            "max\n",
			"sys/fs/cgroup/system.slice/db.service/memory.max": "1073741824\n",
		}, 1 << 30},
		{"v2, the least is above", "0::/a/b/c\n", mountV2, map[string]string{
			"sys/fs/cgroup/a/memory.max":     "1000000\n",
			"sys/fs/cgroup/a/b/memory.max":   "500000\n",
			"sys/fs/cgroup/a/b/c/memory.max": "700000\n",
			"sys/fs/cgroup/x/memory.max":     "1\n",
			"sys/fs/memory.max":              "1\n", // above the mount
		}, 500000},
		{"v2, none", "0::/a\n", mountV2, map[string]string{"sys/fs/cgroup/a/memory.max": "max\n"}, none},
		{"v2, the top, which has no file", "0::/\n", mountV2, nil, none},
		{"v2, a container with a name space", "0::/\n", mountV2, map[string]string{
			"sys/fs/cgroup/memory.max": "2000000\n",
		}, 2000000},
		{"v2, the mount is the group", "0::/docker/abc\n",
			"30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n", map[string]string{
				"sys/fs/cgroup/memory.max": "3000000\n",
			}, 3000000},
		{"v2, the mount is above the group", "0::/docker/abc/inner\n",
			"30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n", map[string]string{
				"sys/fs/cgroup/memory.max":       "3000000\n",
				"sys/fs/cgroup/inner/memory.max": "2000000\n",
			}, 2000000},
		{"v2, the mount has a similar name", "0::/docker/abcd\n",
			"30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n", map[string]string{
				"sys/fs/cgroup/memory.max":   "3000000\n",
				"sys/fs/cgroup/d/memory.max": "1\n",
			}, 3000000},
		{"v2, outside of the name space", "0::/../other\n", mountV2, map[string]string{
			"sys/fs/cgroup/memory.max": "4000000\n",
			"sys/fs/other/memory.max":  "1\n",
		}, 4000000},
		{"v2, a path with a space and a colon", "0::/my db:1\n",
			"30 23 0:26 / /mnt/my\\040groups rw - cgroup2 cgroup2 rw\n", map[string]string{
				"mnt/my groups/my db:1/memory.max": "5000000\n",
			}, 5000000},
		{"v1", "4:cpu,cpuacct:/x\n9:memory:/docker/abc\n1:name=systemd:/y\n",
			mountRoot + mountV1CPU + mountV1, map[string]string{
				"sys/fs/cgroup/memory/memory.limit_in_bytes":            "9223372036854771712\n",
				"sys/fs/cgroup/memory/docker/memory.limit_in_bytes":     "9223372036854771712\n",
				"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "6000000\n",
			}, 6000000},
		{"v1, none", "9:memory:/\n", mountV1, map[string]string{
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, none},
		{"v1 and v2, memory with v1", "9:memory:/a\n0::/b\n", mountHybrid + mountV1, map[string]string{
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "7000000\n",
			"sys/fs/cgroup/unified/b/memory.max":           "1\n",
		}, 7000000},
		{"v1 and v2, memory with v2", "4:cpu,cpuacct:/a\n0::/b\n", mountV1CPU + mountHybrid, map[string]string{
			"sys/fs/cgroup/unified/b/memory.max": "8000000\n",
		}, 8000000},
	} {
		root := fstest.MapFS{
			"proc/self/cgroup":    {Data: []byte(c.groups)},
			"proc/self/mountinfo": {Data: []byte(c.mounts)},
		}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, err := cgroupLimit(root); err != nil || got != c.want {
			t.Errorf("%s: %d, %v; want %d", c.name, got, err, c.want)
		}
	}
}

func TestCgroupLimit_Errors(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no proc":      {},
		"no mountinfo": {"proc/self/cgroup": {Data: []byte("0::/\n")}},
		"no mount": {
			"proc/self/cgroup":    {Data: []byte("0::/\n")},
			"proc/self/mountinfo": {Data: []byte(mountRoot)},
		},
		"no group": {
			"proc/self/cgroup":    {Data: []byte("nonsense\n4:cpu:/\n")},
			"proc/self/mountinfo": {Data: []byte(mountV2)},
		},
	} {
		if got, err := cgroupLimit(files); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	bad := fstest.MapFS{
		"proc/self/cgroup":         {Data: []byte("0::/\n")},
		"proc/self/mountinfo":      {Data: []byte(mountV2)},
		"sys/fs/cgroup/memory.max": {Data: []byte("-5\n")},
	}
	if got, err := cgroupLimit(bad); err == nil {
		t.Errorf("a limit of -5 is %d", got)
	}
}

func TestMemoryLimitFromCgroup(t *testing.T) {
	limit, err := MemoryLimitFromCgroup()
	t.Log(limit, err)
	_, noProc := os.Stat("/proc/self/cgroup")
	if runtime.GOOS != "linux" || noProc != nil {
		if err == nil {
			t.Errorf("%d bytes on a system without control groups", limit)
		}
		return
	}
	if err == nil && limit <= 0 {
		t.Errorf("%d bytes", limit)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}

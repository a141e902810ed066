package available

import (
	"runtime"
	"testing"
	"testing/fstest"
)

const meminfo = "MemTotal:       16384 kB\nMemFree:         4096 kB\nMemAvailable:    8192 kB\n"

const (
	mib       = 1 << 20
	mountV1   = "30 25 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
	mountCPU  = "31 25 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
	mountV2   = "29 23 0:25 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	unlimited = "9223372036854771712\n" // what version 1 writes where there is no limit
)

func TestFrom(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  int64 // -1: an error
	}{
		{"no meminfo", nil, -1},
		{"old kernel", map[string]string{"proc/meminfo": "MemFree: 10 kB\n"}, -1},
		{"no groups", map[string]string{"proc/meminfo": meminfo}, 8 * mib},
		{"version 2, no limit", map[string]string{
			"proc/meminfo":                     meminfo,
			"proc/self/mountinfo":              mountV2,
			"proc/self/cgroup":                 "0::/app\n",
			"sys/fs/cgroup/app/memory.max":     "max\n",
			"sys/fs/cgroup/app/memory.current": "123\n",
		}, 8 * mib},
		{"version 2, limit", map[string]string{
			"proc/meminfo":                     meminfo,
			"proc/self/mountinfo":              mountV2,
			"proc/self/cgroup":                 "0::/app\n",
			"sys/fs/cgroup/app/memory.max":     "4194304\n",
			"sys/fs/cgroup/app/memory.current": "1048576\n",
		}, 3 * mib},
		{"version 2, caches can be dropped", map[string]string{
			"proc/meminfo":                     meminfo,
			"proc/self/mountinfo":              mountV2,
			"proc/self/cgroup":                 "0::/app\n",
			"sys/fs/cgroup/app/memory.max":     "4194304\n",
			"sys/fs/cgroup/app/memory.current": "4194304\n",
			"sys/fs/cgroup/app/memory.stat":    "anon 2097152\ninactive_file 2097152\n",
		}, 2 * mib},
		{"version 2, high below max", map[string]string{
			"proc/meminfo":                  meminfo,
			"proc/self/mountinfo":           mountV2,
			"proc/self/cgroup":              "0::/app\n",
			"sys/fs/cgroup/app/memory.max":  "4194304\n",
			"sys/fs/cgroup/app/memory.high": "2097152\n",
		}, 2 * mib},
		{"version 2, the parent is tighter", map[string]string{
			"proc/meminfo":                     meminfo,
			"proc/self/mountinfo":              mountV2,
			"proc/self/cgroup":                 "0::/a/b/c\n",
			"sys/fs/cgroup/a/b/c/memory.max":   "4194304\n",
			"sys/fs/cgroup/a/memory.max":       "1048576\n",
			"sys/fs/cgroup/a/memory.current":   "0\n",
			"sys/fs/cgroup/a/b/memory.max":     "max\n",
			"sys/fs/cgroup/a/b/memory.current": "0\n",
		}, 1 * mib},
		{"version 2, used up", map[string]string{
			"proc/meminfo":                     meminfo,
			"proc/self/mountinfo":              mountV2,
			"proc/self/cgroup":                 "0::/app\n",
			"sys/fs/cgroup/app/memory.max":     "1048576\n",
			"sys/fs/cgroup/app/memory.current": "2097152\n",
		}, 0},
		{"version 2, a container's own view", map[string]string{
			"proc/meminfo":             meminfo,
			"proc/self/mountinfo":      mountV2,
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "1048576\n",
		}, 1 * mib},
		{"version 1, limit", map[string]string{
			"proc/meminfo":        meminfo,
			"proc/self/mountinfo": mountCPU + mountV1,
			"proc/self/cgroup":    "5:cpu:/x\n4:memory:/app\n0::/\n",
			"sys/fs/cgroup/memory/app/memory.limit_in_bytes": "2097152\n",
			"sys/fs/cgroup/memory/app/memory.usage_in_bytes": "1048576\n",
			"sys/fs/cgroup/memory/app/memory.stat":           "total_inactive_file 524288\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     unlimited,
			"sys/fs/cgroup/memory/memory.usage_in_bytes":     "5000000\n",
			"sys/fs/cgroup/cpu/x/memory.limit_in_bytes":      "1\n",
		}, mib + mib/2},
		{"version 1, no limit", map[string]string{
			"proc/meminfo":        meminfo,
			"proc/self/mountinfo": mountV1,
			"proc/self/cgroup":    "4:memory:/app\n",
			"sys/fs/cgroup/memory/app/memory.limit_in_bytes": unlimited,
		}, 8 * mib},
		{"version 1, a container named from outside", map[string]string{
			"proc/meminfo": meminfo,
			"proc/self/mountinfo": "30 25 0:26 /docker/abc /sys/fs/cgroup/memory ro - " +
				"cgroup cgroup rw,memory\n",
			"proc/self/cgroup":                           "4:cpu,memory:/docker/abc\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "3145728\n",
		}, 3 * mib},
		{"version 1, mounted from elsewhere", map[string]string{
			"proc/meminfo":                meminfo,
			"proc/self/mountinfo":         "30 25 0:26 /other /mnt/m ro - cgroup cgroup rw,memory\n",
			"proc/self/cgroup":            "4:memory:/docker/abc\n",
			"mnt/m/memory.limit_in_bytes": "3145728\n",
		}, 3 * mib},
		{"both versions", map[string]string{
			"proc/meminfo":        meminfo,
			"proc/self/mountinfo": mountV1 + "32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"proc/self/cgroup":    "4:memory:/app\n0::/\n",
			"sys/fs/cgroup/memory/app/memory.limit_in_bytes": "2097152\n",
		}, 2 * mib},
		{"lines of other forms", map[string]string{
			"proc/meminfo":                 meminfo,
			"proc/self/mountinfo":          "\nbad\n1 2 3 - cgroup2\n" + mountV2,
			"proc/self/cgroup":             "\nbad\n0::/app\n",
			"sys/fs/cgroup/app/memory.max": "not a number\n",
		}, 8 * mib},
	}
	for _, tt := range tests {
		root := fstest.MapFS{}
		for name, text := range tt.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		got, err := from(root)
		if (err != nil) != (tt.want < 0) || err == nil && got != tt.want {
			t.Errorf("%s: %d, %v; want %d", tt.name, got, err, tt.want)
		}
	}
}

func TestBytes_ThisMachine(t *testing.T) {
	got, err := Bytes()
	if runtime.GOOS != "linux" {
		if err == nil {
			t.Errorf("Bytes() = %d without /proc/meminfo", got)
		}
		return
	}
	if err != nil || got < mib {
		t.Errorf("Bytes() = %d, %v", got, err)
	}
}

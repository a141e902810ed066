package main

// What is measured, on what, and what it must show. All of it is data, so that new benchmarks, peers
// and targets are entries here.

// kind is what an implementation is to the comparison.
type kind int

const (
	ours  kind = iota
	peer       // does the same work for others
	heap       // Go's own
	floor      // what it costs at the very least
)

// implementation is one side of the comparison.
type implementation struct {
	name   string // impl=<name> in the benchmarks' names
	label  string // in tables
	kind   kind
	module string // whose version is reported; none: the standard library
	about  string // how it is used, for the page
	tag    string // build tag, where go.mod does not have the module
	exp    string // GOEXPERIMENT, or
	with   string // build tag, that it needs, so that its tests are a binary of its own
	chart  bool   // is in the chart
}

var implementations = []implementation{
	{
		name: "zmem", label: "**zmem**", kind: ours, chart: true,
		about: "`z.Calloc` and `z.Free`, `z.Allocator`, `z.Cursor` and `z.New`, `z.Buffer`, with " +
			"`-tags jemalloc`",
	},
	{
		name: "zmem-allocator", label: "**zmem**, Allocator", kind: ours,
		about: "the list demo with `-tags jemalloc,allocator`",
	},
	{
		name: "zmem-profile-off", label: "profile off", kind: ours, about: "after `z.SetProfileRate(0)`",
	},
	{
		name: "zmem-profile-all", label: "every block profiled", kind: ours, about: "after `z.SetProfileRate(1)`",
	},
	{
		name: "zmem-guard", label: "one in 1000 guarded", kind: ours, about: "after `z.SetGuardRate(1000)`",
	},
	{
		name: "zmem-leak", label: "leak tag", kind: ours, with: "leak", about: "with `-tags jemalloc,leak`",
	},
	{
		name: "c", label: "C loop on jemalloc", kind: floor, chart: true,
		about: "`calloc` and `free` of the same jemalloc in a loop in C: the floor",
	},
	{
		name: "registers", label: "additions in registers", kind: floor, about: "no memory at all",
	},
	{
		name: "go", label: "Go heap", kind: heap, chart: true,
		about: "`make` and `new`, in a small process with `GOGC` at its default: an idle collector; " +
			"`bytes.Buffer`; `slices.SortFunc` on pointers to byte slices",
	},
	{
		name: "go-busy", label: "Go heap, busy", kind: heap, chart: true,
		about: "`make`, with 64 MiB of live nodes for the collector to walk",
	},
	{
		name: "ristretto", label: "ristretto/v2 z", kind: peer, chart: true,
		module: "github.com/dgraph-io/ristretto/v2",
		about: "`z.Calloc` and `z.Free`, `z.Allocator`, `z.Buffer`, with `-tags jemalloc` on the same " +
			"jemalloc",
	},
	{
		name: "modernc", label: "modernc.org/memory", kind: peer, chart: true,
		module: "modernc.org/memory",
		about: "`UnsafeCalloc` and `UnsafeFree`, Go over mmap; for one goroutine, so behind a mutex " +
			"where there are several",
	},
	{
		name: "arrow", label: "arrow-go mallocator", kind: peer, chart: true,
		module: "github.com/apache/arrow-go/v18",
		about:  "`Mallocator`, libc's calloc through cgo, aligned to 64 bytes (the same code as in v18.8.0)",
	},
	{
		name: "sync-pool", label: "sync.Pool", kind: peer, chart: true,
		about: "a pool for each power of two; blocks are cleared after Get, since a pool does not",
	},
	{
		name: "xdarkicex", label: "xDarkicex/memory", kind: peer, tag: "xdarkicex",
		module: "github.com/xDarkicex/memory",
		about: "`FreeList`, and `ShardedFreeList` where there are several goroutines: slots of one " +
			"size, cleared after Allocate, since it does not; `Arena`",
	},
	{
		name: "mmgo", label: "mm-go", kind: peer, tag: "mmgo",
		module: "github.com/joetifa2003/mm-go",
		about:  "its allocator on libc, calloc through cgo; `typedarena` on that",
	},
	{
		name: "memorymanager", label: "fmstephe/memorymanager", kind: peer, tag: "memorymanager",
		module: "github.com/fmstephe/memorymanager",
		about:  "`offheap.Store`, slabs from mmap; cleared after AllocSlice, since it does not",
	},
	{
		name: "nuke", label: "nuke", kind: peer, tag: "nuke",
		module: "github.com/ortuman/nuke",
		about: "`NewMonotonicArena`, one buffer on the Go heap, in `NewConcurrentArena` where there are " +
			"several goroutines",
	},
	{
		name: "go-arena", label: "Go's arena experiment", kind: peer, exp: "arenas",
		about: "package `arena`, with `GOEXPERIMENT=arenas`; an arena is made for every round",
	},
}

// work is one piece of work, done by several implementations: a Go benchmark, or programs that are
// run as a whole.
type work struct {
	name  string // Benchmark<name>
	title string
	about string
	impls []string // in the order of a round; none: blockImpls
	most  int      // rounds, where one takes long; 0: as many as all
	count int      // runs in each round, where small differences matter; 0: one

	pkg      string    // folder of the Go benchmark
	programs []program // or one program for each of impls

	against []string // implementations to give ratios to; none: ristretto and go
}

// program does a work as a process.
type program struct {
	impl      string
	pkg       string
	tags      string
	overlay   map[string]string // files of its package: what to take in their place
	args      []string
	quickArgs []string // with -quick
}

// program's packages.
const (
	demoPackage     = "github.com/zmem-go/zmem/contrib/demo"
	sortdemoPackage = "github.com/zmem-go/zmem/contrib/sortdemo"
)

// Who does which kind of work.
var (
	blockImpls = []string{
		"zmem", "c", "go", "go-busy", "ristretto", "modernc", "arrow", "sync-pool", "xdarkicex", "mmgo",
		"memorymanager",
	}
	arenaImpls  = []string{"zmem", "go", "ristretto", "xdarkicex", "mmgo", "nuke", "go-arena"}
	bufferImpls = []string{"zmem", "go", "ristretto"}
)

var works = []work{
	{
		name: "Processors", title: "What the machine gives", pkg: "alloc", count: 3, against: []string{},
		about: "Four additions in registers, which nothing but the processor can hold up. Where two goroutines " +
			"do not take half the time of one, they did not have two cores: the processors of a virtual machine " +
			"may be two threads of one, now and then. What keeps the processor busy scales no better then.",
		impls: []string{"registers"},
	},
	{
		name: "Calloc", title: "Calloc and Free", pkg: "alloc", count: 3,
		about: "A block of zeroes is allocated, written to at both ends and freed, again and again. " +
			"Two goroutines share the work out in pieces, and the time is that of all over the blocks of " +
			"all: half the time of one goroutine is perfect.",
	},
	{
		name: "Replace", title: "Random replacement in a large live set", pkg: "alloc",
		about: "2^20 blocks of 32 bytes are live. One of them, at random, is replaced: the new block " +
			"is allocated and written to, the old one freed. Most of the time goes by while caches " +
			"miss.",
	},
	{
		name: "ProducerConsumer", title: "From producer to consumer", pkg: "alloc",
		about: "One goroutine allocates blocks of 32 bytes, another frees them. They go over a channel " +
			"in batches of 128. The time is for one block, by the clock.",
	},
	{
		name: "Mixed", title: "A mix of real sizes", pkg: "alloc",
		about: "The oldest of 2^15 live blocks (for each goroutine) is replaced by one of another size. " +
			"The sizes are those of the items, key and value together, of Facebook's memcached pool " +
			"ETC (Atikoglu et al., *Workload Analysis of a Large-Scale Key-Value Store*, SIGMETRICS " +
			"2012, section 5): median 78 bytes, mean 230, 99% up to 1.9 KB, up to 30 KB.",
	},
	{
		name: "ListDemo", title: "The list demo, as a whole process",
		about: "`contrib/demo -quiet`: a list of 2,000,001 nodes of 16 bytes is built, walked and " +
			"freed, node by node; with an Allocator all at once. Time by the clock from start to exit.",
		impls: []string{"zmem", "zmem-allocator", "go", "ristretto"},
		programs: []program{
			listDemo("zmem", "jemalloc", nil),
			listDemo("zmem-allocator", "jemalloc,allocator", nil),
			listDemo("go", "", nil),
			listDemo("ristretto", "jemalloc", map[string]string{"node_jemalloc.go": "demo/node_ristretto.go.txt"}),
		},
	},
	{
		name: "Modes", title: "What finding bugs costs", pkg: "modes", against: []string{"zmem"}, count: 5,
		about: "Calloc and Free, as above: as it is, with one byte in 512 KiB sampled for the profile, " +
			"which is one block of 32 bytes in 16,384 and one of 64 KiB in 8.5; without; and with each of what " +
			"helps to find leaks and wrong uses.",
		impls: []string{"zmem", "zmem-profile-off", "zmem-guard", "zmem-profile-all", "zmem-leak"},
	},
	{
		name: "ForcedGC", title: "A forced collection", pkg: "alloc",
		about: "One `runtime.GC()` while a list of 20,000,000 nodes of 16 bytes is live.",
		impls: []string{"zmem", "go", "ristretto"},
	},
	{
		name: "Arena", title: "Allocating what is freed together", pkg: "arena", impls: arenaImpls, count: 3,
		about: "16 bytes are allocated and written to, again and again; after a MiB for each goroutine, " +
			"all is freed, the allocator itself too, and another one made, which counts. zmem's " +
			"memory is always zero, ristretto's after AllocateAligned. Two goroutines use one allocator, " +
			"and share the work out in pieces; the time is that of all over the allocations of all: half " +
			"the time of one goroutine is perfect.",
	},
	{
		name: "BufferSlice", title: "Records of 8 bytes in a Buffer", pkg: "buffer", impls: bufferImpls,
		about: "`SliceAllocate(8)`, and a write to it, into a Buffer of 256 KiB that is emptied when it is full.",
	},
	{
		name: "BufferWrite", title: "Writes to a Buffer", pkg: "buffer", impls: bufferImpls,
		about: "`Write` of 64 bytes into a Buffer of 256 KiB that is emptied when it is full.",
	},
	{
		name: "BufferIterate", title: "Walking records", pkg: "buffer", impls: bufferImpls, count: 3,
		about: "`SliceIterate`, which calls a function with each record, and zmem's `Records`, for a range loop, " +
			"over 65,536 records of 8 bytes, of which the first byte is looked at. The time is for one.",
	},
	{
		name: "BufferGrow", title: "Growing a Buffer", pkg: "buffer", impls: bufferImpls, most: 5,
		about: "From 64 bytes to 1 GiB by writes of 64 KiB, in memory and in a temporary file; the " +
			"second of two, as the first has to wait for the host of a virtual machine to find the pages.",
	},
	{
		name: "BufferSort", title: "Sorting records", pkg: "buffer", impls: bufferImpls, most: 5,
		about: "5 million records of 8 random bytes, as integers, and of 8 to 39 random bytes, as bytes; " +
			"filling them in is not timed. On the Go heap, `slices.SortFunc` sorts pointers to them.",
	},
	{
		name: "SortDemo", title: "100 million records, as a whole process", most: 3,
		about: "`contrib/sortdemo -quiet -n 100000000 -cap 512MiB`: records of 8 bytes, 16 with their " +
			"framing, are filled into a Buffer that is a file beyond 512 MiB, sorted and checked. Time by " +
			"the clock from start to exit. (ristretto/v2 frames with 4 bytes: 12 a record.)",
		impls: []string{"zmem", "ristretto"},
		programs: []program{
			sortDemo("zmem", nil),
			sortDemo("ristretto", map[string]string{"buffer.go": "demo/buffer_ristretto.go.txt"}),
		},
	},
}

func listDemo(impl, tags string, overlay map[string]string) program {
	return program{
		impl: impl, pkg: demoPackage, tags: tags, overlay: overlay,
		args: []string{"-quiet"}, quickArgs: []string{"-quiet", "-n", "20001"},
	}
}

func sortDemo(impl string, overlay map[string]string) program {
	return program{
		impl: impl, pkg: sortdemoPackage, tags: "jemalloc", overlay: overlay,
		args:      []string{"-quiet", "-n", "100000000", "-cap", "512MiB", "-dir", "/var/tmp"},
		quickArgs: []string{"-quiet", "-n", "200000", "-cap", "1MiB", "-dir", "/var/tmp"},
	}
}

// target is what a ratio of two medians has to be.
type target struct {
	what       string
	got, base  string  // cases, by their names without "Benchmark"
	basis      string  // what base is, in words
	limit, aim float64 // aim 0: none beyond the limit
	atLeast    bool    // the ratio is base/got, of throughputs, and limit is the least
	orTime     float64 // seconds; got may also be no more than this. 0: only the ratio counts
}

var targets = []target{
	{
		what: "Calloc+Free, 32 bytes", basis: "ristretto/v2",
		got: "Calloc/impl=zmem/size=32/goroutines=1", base: "Calloc/impl=ristretto/size=32/goroutines=1",
		limit: 0.12, aim: 0.08,
	},
	{
		what: "Calloc+Free, 32 bytes", basis: "Go heap, idle collector",
		got: "Calloc/impl=zmem/size=32/goroutines=1", base: "Calloc/impl=go/size=32/goroutines=1",
		limit: 0.9, aim: 0.5,
	},
	{
		what: "Calloc+Free, 32 bytes", basis: "C loop on jemalloc",
		got: "Calloc/impl=zmem/size=32/goroutines=1", base: "Calloc/impl=c/size=32/goroutines=1",
		limit: 2,
	},
	{
		what: "Calloc+Free, 256 bytes", basis: "Go heap, idle collector",
		got: "Calloc/impl=zmem/size=256/goroutines=1", base: "Calloc/impl=go/size=256/goroutines=1",
		limit: 0.30, aim: 0.15,
	},
	{
		what: "32 bytes, 1M live, random replacement", basis: "ristretto/v2",
		got: "Replace/impl=zmem/size=32/live=1048576", base: "Replace/impl=ristretto/size=32/live=1048576",
		limit: 0.15,
	},
	{
		what: "32 bytes, 1M live, random replacement", basis: "Go heap, idle collector",
		got: "Replace/impl=zmem/size=32/live=1048576", base: "Replace/impl=go/size=32/live=1048576",
		limit: 2.0, aim: 1.0,
	},
	{
		what: "Throughput of two goroutines, 32 bytes", basis: "one goroutine",
		got: "Calloc/impl=zmem/size=32/goroutines=2", base: "Calloc/impl=zmem/size=32/goroutines=1",
		limit: 1.8, atLeast: true,
	},
	{
		what: "Rate from producer to consumer, 32 bytes", basis: "one goroutine for both",
		got: "ProducerConsumer/impl=zmem/size=32", base: "Calloc/impl=zmem/size=32/goroutines=1",
		limit: 1.0 / 3, atLeast: true,
	},
	{
		what: "List demo, no Allocator", basis: "Go heap",
		got: "ListDemo/impl=zmem", base: "ListDemo/impl=go",
		limit: 1.0,
	},
	{
		what: "Calloc+Free of 32 bytes with the profile", basis: "without",
		got: "Modes/impl=zmem/size=32", base: "Modes/impl=zmem-profile-off/size=32",
		limit: 1.05,
	},
	{
		what: "Forced collection, 20M live nodes", basis: "Go heap",
		got: "ForcedGC/impl=zmem", base: "ForcedGC/impl=go",
		limit: 0.03,
	},
	{
		what: "Allocator, Allocate(16)", basis: "ristretto/v2",
		got: "Arena/impl=zmem/call=Allocate/goroutines=1", base: "Arena/impl=ristretto/call=Allocate/goroutines=1",
		limit: 0.75,
	},
	{
		what: "Allocator, AllocateAligned(16)", basis: "ristretto/v2",
		got: "Arena/impl=zmem/call=AllocateAligned/goroutines=1", base: "Arena/impl=ristretto/call=AllocateAligned/goroutines=1",
		limit: 0.20,
	},
	{
		what: "z.New of 16 bytes", basis: "Go's new (or 3 ns)",
		got: "Arena/impl=zmem/call=New/goroutines=1", base: "Arena/impl=go/call=New/goroutines=1",
		limit: 0.2, orTime: 3e-9,
	},
	{
		what: "Two goroutines on one Allocator", basis: "ristretto/v2",
		got: "Arena/impl=zmem/call=Allocate/goroutines=2", base: "Arena/impl=ristretto/call=Allocate/goroutines=2",
		limit: 0.8,
	},
	{
		what: "A Cursor's Allocate(16)", basis: "ristretto/v2's Allocate",
		got: "Arena/impl=zmem/call=Cursor/goroutines=1", base: "Arena/impl=ristretto/call=Allocate/goroutines=1",
		limit: 0.4,
	},
	{
		what: "Throughput of two goroutines, a Cursor each", basis: "one goroutine",
		got: "Arena/impl=zmem/call=Cursor/goroutines=2", base: "Arena/impl=zmem/call=Cursor/goroutines=1",
		limit: 1.8, atLeast: true,
	},
	{
		what: "List demo, Allocator", basis: "Go heap",
		got: "ListDemo/impl=zmem-allocator", base: "ListDemo/impl=go",
		limit: 0.8,
	},
	{
		what: "Buffer, SliceAllocate(8)", basis: "ristretto/v2",
		got: "BufferSlice/impl=zmem/size=8", base: "BufferSlice/impl=ristretto/size=8",
		limit: 0.40,
	},
	{
		what: "Buffer, Write of 64 bytes", basis: "bytes.Buffer",
		got: "BufferWrite/impl=zmem/size=64", base: "BufferWrite/impl=go/size=64",
		limit: 1.1,
	},
	{
		what: "Buffer, SliceIterate over records of 8 bytes", basis: "ristretto/v2",
		got: "BufferIterate/impl=zmem/size=8/call=SliceIterate", base: "BufferIterate/impl=ristretto/size=8/call=SliceIterate",
		limit: 0.6,
	},
	{
		what: "Buffer, Records over records of 8 bytes", basis: "ristretto/v2's SliceIterate",
		got: "BufferIterate/impl=zmem/size=8/call=Records", base: "BufferIterate/impl=ristretto/size=8/call=SliceIterate",
		limit: 0.6,
	},
	{
		what: "Buffer, from 64 bytes to 1 GiB in memory", basis: "ristretto/v2",
		got: "BufferGrow/impl=zmem/in=memory", base: "BufferGrow/impl=ristretto/in=memory",
		limit: 0.40,
	},
	{
		what: "Buffer, from 64 bytes to 1 GiB in a file", basis: "ristretto/v2",
		got: "BufferGrow/impl=zmem/in=file", base: "BufferGrow/impl=ristretto/in=file",
		limit: 0.50,
	},
	{
		what: "SortUint64, 5M records of 8 bytes", basis: "ristretto/v2's SortSlice",
		got: "BufferSort/impl=zmem/by=uint64/call=SortUint64", base: "BufferSort/impl=ristretto/by=uint64/call=SortSlice",
		limit: 0.15,
	},
	{
		what: "SortSlice, 5M records of 8 bytes", basis: "ristretto/v2's SortSlice",
		got: "BufferSort/impl=zmem/by=uint64/call=SortSlice", base: "BufferSort/impl=ristretto/by=uint64/call=SortSlice",
		limit: 0.50,
	},
	{
		what: "SortBytes, 5M records of 8 to 39 bytes", basis: "ristretto/v2's SortSlice",
		got: "BufferSort/impl=zmem/by=bytes/call=SortBytes", base: "BufferSort/impl=ristretto/by=bytes/call=SortSlice",
		limit: 0.20,
	},
	{
		what: "Sort demo, 100M records", basis: "ristretto/v2",
		got: "SortDemo/impl=zmem", base: "SortDemo/impl=ristretto",
		limit: 0.25,
	},
}

// group is a set of bars in the chart: one case, for each implementation that is in the chart.
type group struct {
	label, work, params string
}

var groups = []group{
	{"32 bytes", "Calloc", "size=32/goroutines=1"},
	{"32 bytes,\n2 goroutines", "Calloc", "size=32/goroutines=2"},
	{"256 bytes", "Calloc", "size=256/goroutines=1"},
	{"4096 bytes", "Calloc", "size=4096/goroutines=1"},
	{"producer to\nconsumer", "ProducerConsumer", "size=32"},
	{"mix of\nreal sizes", "Mixed", "sizes=etc/goroutines=1"},
	{"1M live,\nrandom", "Replace", "size=32/live=1048576"},
	{"16 bytes,\narena", "Arena", "call=AllocateAligned/goroutines=1"},
}

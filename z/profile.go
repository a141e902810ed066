package z

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/pprof/profile"

	"github.com/zmem-go/zmem/c"
)

// DefaultProfileRate is the rate at which the profile samples unless SetProfileRate is called: on
// average once in 512 KiB, as runtime.MemProfileRate.
const DefaultProfileRate = 512 << 10

var profileRateMu sync.Mutex

// SetProfileRate has the profile sample once in so many bytes allocated, on average, and returns what
// it was. 1 samples every allocation and 0 none; a negative rate panics. It holds for all goroutines
// from their next allocation on, and what was sampled before stays right.
//
// Where the system has no address space for samples the rate stays 0. Under the leak tag it is 1,
// and stays so: the profile is exact.
func SetProfileRate(bytes int) int {
	if bytes < 0 {
		panic(fmt.Sprintf("z: SetProfileRate: negative rate %d", bytes))
	}
	profileRateMu.Lock()
	defer profileRateMu.Unlock()
	old := ProfileRate()
	setProfileRate(uint64(min(bytes, MaxArrayLen)))
	return old
}

// ProfileRate is the rate that is in force.
func ProfileRate() int { return int(getProfileRate()) }

// WriteHeapProfile writes a profile of manual memory to w, in the format of `go tool pprof`:
// allocations by the stack that made them, with the tag, where there was one, as the label "tag".
// Its sample types are those of Go's own heap profile: inuse_space (the default), inuse_objects,
// alloc_space and alloc_objects, in bytes and blocks since the program started.
//
// A Buffer that grows counts as an allocation of all of its new size, and as a free of its old one
// (under the leak tag as one of what it grew by); what it has in files is not in the profile. Neither are a
// Buffer, the scratch memory of a sort and a chunk of an Allocator as long as they are 64 KiB or less.
//
// The numbers are estimates from samples (see SetProfileRate), unbiased, and the better the more
// there is: what adds up to less than the rate may be missing. Comments in the profile, which
// `go tool pprof -comments` shows, say what the profile itself takes and whether it had to drop
// samples. It returns w's error.
func WriteHeapProfile(w io.Writer) error {
	b := profileBuilder{
		locations: map[place]*profile.Location{},
		functions: map[function]*profile.Function{},
	}
	return b.build(profileSites()).Write(w)
}

// profileSites lists the sites that ever allocated.
func profileSites() []c.ProfileSite {
	sites := make([]c.ProfileSite, 256)
	for {
		n := c.ProfileSites(sites)
		if n <= len(sites) {
			return sites[:n]
		}
		sites = make([]c.ProfileSite, 2*n)
	}
}

// profileComments says what the profile takes, and whatever keeps it from being right.
func profileComments() []string {
	var s c.ProfileStats
	c.ReadProfileStats(&s)
	out := []string{fmt.Sprintf("zmem: the profile takes %d bytes; call sites: %d, live samples: %d",
		s.Bytes, s.Sites, s.Records)}
	if ProfileRate() == 0 {
		out = append(out, "zmem: sampling is off")
	}
	if s.Dropped > 0 {
		out = append(out, fmt.Sprintf("zmem: samples dropped for lack of memory, or beyond the bound: %d",
			s.Dropped))
	}
	if s.Crowded > 0 {
		out = append(out, fmt.Sprintf("zmem: samples dropped for lack of address space: %d", s.Crowded))
	}
	return out
}

type (
	place struct {
		pc       uintptr
		function string
		line     int
	}
	function struct{ name, file string }
)

// profileBuilder turns sites into a profile.
type profileBuilder struct {
	profile   profile.Profile
	mapping   profile.Mapping
	locations map[place]*profile.Location
	functions map[function]*profile.Function
}

func (b *profileBuilder) build(sites []c.ProfileSite) *profile.Profile {
	p := &b.profile
	p.SampleType = []*profile.ValueType{
		{Type: "alloc_objects", Unit: "count"},
		{Type: "alloc_space", Unit: "bytes"},
		{Type: "inuse_objects", Unit: "count"},
		{Type: "inuse_space", Unit: "bytes"},
	}
	p.DefaultSampleType = "inuse_space"
	p.PeriodType = &profile.ValueType{Type: "space", Unit: "bytes"}
	p.Period = int64(ProfileRate())
	p.TimeNanos = time.Now().UnixNano()
	p.Comments = profileComments()
	program, _ := os.Executable() // a name to show; pprof does without
	b.mapping = profile.Mapping{ID: 1, File: program, HasFunctions: true, HasFilenames: true,
		HasLineNumbers: true, HasInlineFrames: true}
	p.Mapping = []*profile.Mapping{&b.mapping}
	for _, s := range sites {
		sample := &profile.Sample{
			Value:    []int64{s.AllocObjects, s.AllocBytes, s.LiveObjects, s.LiveBytes},
			Location: b.stack(s.Site.PCs()),
		}
		if tag := s.Site.Tag(); tag != "" {
			sample.Label = map[string][]string{"tag": {tag}}
		}
		p.Sample = append(p.Sample, sample)
	}
	return p
}

// stack is that of a site without the functions of zmem in which it begins, but for the last; never
// empty.
func (b *profileBuilder) stack(pcs []uintptr) []*profile.Location {
	var out []*profile.Location
	frames := runtime.CallersFrames(slices.Clone(pcs))
	for {
		f, more := frames.Next()
		if len(out) > 0 || !more || !isOurs(f) {
			out = append(out, b.location(f))
		}
		if !more {
			return out
		}
	}
}

func (b *profileBuilder) location(f runtime.Frame) *profile.Location {
	key := place{f.PC, f.Function, f.Line} // inlined calls may share a pc
	if l := b.locations[key]; l != nil {
		return l
	}
	l := &profile.Location{ID: uint64(len(b.locations) + 1), Mapping: &b.mapping, Address: uint64(f.PC)}
	if f.Function != "" {
		l.Line = []profile.Line{{Function: b.function(f.Function, f.File), Line: int64(f.Line)}}
	}
	b.locations[key] = l
	b.profile.Location = append(b.profile.Location, l)
	return l
}

func (b *profileBuilder) function(name, file string) *profile.Function {
	key := function{name, file}
	if f := b.functions[key]; f != nil {
		return f
	}
	f := &profile.Function{ID: uint64(len(b.functions) + 1), Name: name, SystemName: name, Filename: file}
	b.functions[key] = f
	b.profile.Function = append(b.profile.Function, f)
	return f
}

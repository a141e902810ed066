//go:build !leak

package modes

import "github.com/zmem-go/zmem/z"

var modes = []mode{
	{"zmem", func() func() { return func() {} }},
	{"zmem-profile-off", func() func() {
		rate := z.SetProfileRate(0)
		return func() { z.SetProfileRate(rate) }
	}},
	{"zmem-profile-all", func() func() {
		rate := z.SetProfileRate(1)
		return func() { z.SetProfileRate(rate) }
	}},
	{"zmem-guard", func() func() {
		rate := z.SetGuardRate(1000)
		return func() { z.SetGuardRate(rate) }
	}},
}

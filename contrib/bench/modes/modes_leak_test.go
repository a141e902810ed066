//go:build leak

package modes

var modes = []mode{{"zmem-leak", func() func() { return func() {} }}}

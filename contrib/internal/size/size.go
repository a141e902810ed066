// Package size reads and prints amounts of memory the way people write them: "512MiB".
package size

import (
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
)

// Bytes is an amount of memory in bytes. It is a flag.Value, so that a command can have
//
//	flag.Var(&hi, "hi", "most memory in use, for example 8GiB")
type Bytes int64

const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// Parse reads "512MiB", "1.5 GiB", "64kB" or "4096". A unit with an i counts in powers of 1024, one
// without it in powers of 1000. Negative amounts, and those that no int64 holds, are errors.
func Parse(s string) (Bytes, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || strings.TrimSpace(s) == "" {
		return 0, fmt.Errorf("%q is not a size such as 512MiB", s)
	}
	if n > math.MaxInt64 {
		return 0, fmt.Errorf("%q is more than any machine has", s)
	}
	return Bytes(n), nil
}

// Set is Parse for the flag package.
func (b *Bytes) Set(s string) error {
	n, err := Parse(s)
	if err != nil {
		return err
	}
	*b = n
	return nil
}

// String returns the amount with three digits and the unit that suits it: "512 MiB", "1.5 GiB".
func (b Bytes) String() string {
	if b < 0 {
		return "-" + (-b).String()
	}
	return strings.Replace(humanize.IBytes(uint64(b)), ".0 ", " ", 1)
}

// InMiB returns the amount in whole MiB without its unit, for columns of a table: "3,283".
func (b Bytes) InMiB() string {
	return humanize.Comma(int64(math.Round(float64(b) / float64(MiB))))
}

// Package native is what pgstore, mysqlstore and sqlitestore share beside their SQL.
package native

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// Format is the newest format of a row that this version of the program knows.
// A change that older versions would misread gets the next number, and they
// leave such rows alone.
const Format = 0

// CheckFormat returns why a row of this format can't be read, or nil.
func CheckFormat(format int64) error {
	if format > Format {
		return fmt.Errorf("%w: the row has format %d, which a later version of this program wrote; this one knows formats up to %d, so update it",
			driver.ErrSchema, format, Format)
	}
	return nil
}

// Misfit follows the name of a table that does not have the columns which statements need.
const Misfit = "is missing or not as this version needs it; run `sessions migrate up`, and `sessions doctor` if that changes nothing"

// Kept returns the error of an ending that changed nothing, although the row is there and was
// not changed in between.
func Kept(table string) error {
	return fmt.Errorf("%w; a trigger, a rule or a policy of table %s keeps it", errKept, table)
}

var errKept = errors.New("what was to end is still there")

// NewVersion returns a version that no other write has.
func NewVersion() driver.Version { return driver.Version(1 + rand.Int64N(math.MaxInt64)) }

// Proves reports, in constant time, whether the client's proof is that of the
// row. An empty or short column proves nothing.
func Proves(client, row driver.Verifier) bool {
	return len(row) == sha256.Size && subtle.ConstantTimeCompare([]byte(client), []byte(row)) == 1
}

// Superseded returns the error that a waiting save would get, judged by the outcome of a
// save of the same row that was sent after it came: ErrNotFound, ErrConflict, or nil if
// that outcome does not decide it.
func Superseded(ended driver.SaveRequest, out driver.SaveResult, err error, waits driver.SaveRequest) error {
	sameRef, sameVersion, saved := ended.From == waits.From, ended.Version == waits.Version, out.Version != 0
	switch {
	case sameRef && errors.Is(err, driver.ErrNotFound),
		saved && sameVersion && ended.Verifier != waits.From.Verifier:
		return driver.ErrNotFound
	case sameRef && sameVersion && errors.Is(err, driver.ErrConflict),
		saved && sameVersion:
		return driver.ErrConflict
	}
	return nil
}

// CheckVerifier returns why a row can't have this verifier, or nil.
func CheckVerifier(v driver.Verifier) error {
	if len(v) != sha256.Size {
		return fmt.Errorf("%w: a verifier of %d bytes; it is a SHA-256 and has %d", driver.ErrInvalid, len(v), sha256.Size)
	}
	return nil
}

// Duration returns n units, or the longest or the shortest duration there is.
func Duration(n int64, unit time.Duration) time.Duration {
	switch most := math.MaxInt64 / int64(unit); {
	case n > most:
		return math.MaxInt64
	case n < -most:
		return math.MinInt64
	}
	return time.Duration(n) * unit
}

// Between returns the time from one moment to another, in units, or the most or the least there
// is.
func Between(from, to int64) int64 {
	d := to - from
	switch {
	case from < 0 && to >= 0 && d < 0:
		return math.MaxInt64
	case from >= 0 && to < 0 && d > 0:
		return math.MinInt64
	}
	return d
}

// Package native is what the native stores share beside their SQL.
package native

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

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

// Misfit says of a table that it has not the columns which the statements need.
const Misfit = "is missing or not as this version needs it; run `sessions migrate up`, and `sessions doctor` if that changes nothing"

// NewVersion returns a version that no other write has.
func NewVersion() driver.Version { return driver.Version(1 + rand.Int64N(math.MaxInt64)) }

// Proves reports, in constant time, whether the client's proof is that of the
// row. An empty or short column proves nothing to anybody.
func Proves(client, row driver.Verifier) bool {
	return len(row) == sha256.Size && subtle.ConstantTimeCompare([]byte(client), []byte(row)) == 1
}

// Overtaken returns the error that a waiting save of the same row would get, judged by the
// outcome of a save that was sent after it came: ErrNotFound, ErrConflict, or nil if the
// outcome does not decide it.
func Overtaken(ended driver.SaveRequest, out driver.SaveResult, err error, waits driver.SaveRequest) error {
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

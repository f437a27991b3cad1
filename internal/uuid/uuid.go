// Package uuid makes and reads the names of sessions: UUIDs in the canonical
// lower-case text of RFC 9562. It is written here so that applications get no extra
// module.
package uuid

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Size is how many bytes a UUID has, and Length how many characters its text.
const (
	Size   = 16
	Length = 36
)

// New returns a UUID of version 7: milliseconds since 1970, the fraction of the
// millisecond in 12 bits (RFC 9562, section 6.2, method 3), and 62 random bits. So
// those that a process makes are in order, which fills a database's pages one after
// the other.
func New() (b [Size]byte) {
	_, _ = rand.Read(b[8:]) // since Go 1.24 it never fails: it ends the program instead
	now := time.Now()
	ms := now.UnixMilli()
	fraction := (now.UnixNano() - ms*1_000_000) << 12 / 1_000_000
	binary.BigEndian.PutUint64(b[:8], uint64(ms)<<16|uint64(fraction)) //nolint:gosec // after 1970
	return mark(b, 7)
}

// Derive returns the text of the UUID of version 8 that belongs to a name: the
// beginning of its SHA-256.
func Derive(name string) string {
	sum := sha256.Sum256([]byte(name))
	return Format(mark([Size]byte(sum[:Size]), 8))
}

func mark(b [Size]byte, version byte) [Size]byte {
	b[6] = version<<4 | b[6]&0x0f
	b[8] = 0x80 | b[8]&0x3f
	return b
}

// Format returns the canonical text.
func Format(b [Size]byte) string {
	var text [Length]byte
	Encode(text[:], b)
	return string(text[:])
}

// Encode writes the canonical text to the first bytes of dst.
func Encode(dst []byte, b [Size]byte) {
	hex.Encode(dst[0:8], b[0:4])
	dst[8] = '-'
	hex.Encode(dst[9:13], b[4:6])
	dst[13] = '-'
	hex.Encode(dst[14:18], b[6:8])
	dst[18] = '-'
	hex.Encode(dst[19:23], b[8:10])
	dst[23] = '-'
	hex.Encode(dst[24:Length], b[10:16])
}

// Parse reads the canonical text, and nothing else: no capitals, braces or
// prefix. Databases differ in what else they take for the same UUID.
func Parse(text string) (b [Size]byte, ok bool) {
	if len(text) != Length {
		return b, false
	}
	n := 0
	for i := 0; i < Length; i += 2 {
		switch i {
		case 8, 13, 18, 23:
			if text[i] != '-' {
				return [Size]byte{}, false
			}
			i++
		}
		high, low := digit(text[i]), digit(text[i+1])
		if high > 15 || low > 15 {
			return [Size]byte{}, false
		}
		b[n] = high<<4 | low
		n++
	}
	return b, true
}

func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

package sessions

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"iter"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"github.com/sqlsessions/sessions/internal/wire"
)

// An id is the secret that a cookie carries: 256 random bits.
type id [sha256.Size]byte

func newID() id {
	var v id
	_, _ = rand.Read(v[:]) // since Go 1.24 it never fails: it ends the program instead
	return v
}

// key is what a reader of the database sees of an id.
func (v id) key() RowKey {
	sum := sha256.Sum256(v[:])
	return RowKey(sum[:])
}

// text is how an id stands in a cookie.
func (v id) text() string { return canonical.EncodeToString(v[:]) }

// newHandle returns a public name for a session: 128 random bits.
func newHandle() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// A signer turns ids into cookie values and back. A value is the id and an
// HMAC-SHA-256 of it, both as base64url, joined by a dot.
type signer struct {
	macs []*sync.Pool // of *mac, one pool a secret; the first one signs
	info []byte       // binds a value to this format and to the cookie's name
}

// A mac has room for what goes through it, which would cost two allocations each time.
type mac struct {
	hash    hash.Hash
	in, out id
}

const (
	encodedLength = (sha256.Size*8 + 5) / 6 // of 32 bytes in base64 without padding
	valueLength   = 2*encodedLength + 1
)

// canonical refuses the spellings that differ in unused trailing bits.
var canonical = base64.RawURLEncoding.Strict()

func newSigner(name string, secrets [][]byte) *signer {
	s := &signer{info: []byte("sessions/v1\x00" + name + "\x00")}
	for _, secret := range secrets {
		secret = append([]byte(nil), secret...) // the caller may wipe or reuse its slice
		s.macs = append(s.macs, &sync.Pool{New: func() any { return &mac{hash: hmac.New(sha256.New, secret)} }})
	}
	return s
}

func (s *signer) sum(which int, v id) [sha256.Size]byte {
	m := s.macs[which].Get().(*mac)
	defer s.macs[which].Put(m)
	m.hash.Reset()
	m.hash.Write(s.info)
	m.in = v
	m.hash.Write(m.in[:])
	m.hash.Sum(m.out[:0])
	return m.out
}

func (s *signer) encode(v id) string {
	var b [valueLength]byte
	sum := s.sum(0, v)
	canonical.Encode(b[:encodedLength], v[:])
	b[encodedLength] = '.'
	canonical.Encode(b[encodedLength+1:], sum[:])
	return string(b[:])
}

// decode returns the id in a cookie value, and whether an older secret than
// the first signed it. Anything else than what encode writes is refused.
func (s *signer) decode(value string) (v id, old, ok bool) {
	if len(value) != valueLength || value[encodedLength] != '.' {
		return id{}, false, false
	}
	sum, ok := decode32(value[encodedLength+1:])
	if !ok {
		return id{}, false, false
	}
	if v, ok = decode32(value[:encodedLength]); !ok {
		return id{}, false, false
	}
	for i := range s.macs {
		if want := s.sum(i, v); hmac.Equal(want[:], sum[:]) {
			return v, i > 0, true
		}
	}
	return id{}, false, false
}

func decode32(text string) (v id, ok bool) {
	var b [encodedLength]byte
	copy(b[:], text)
	// The decoder skips line breaks, so a text with one comes out short.
	n, err := canonical.Decode(v[:], b[:])
	return v, err == nil && n == len(v)
}

// maxCandidates bounds how many different, correctly signed ids one request
// may ask the store about.
const maxCandidates = 4

// read returns the different ids that the correctly signed ones of the cookies of a name
// carry, and whether there is any cookie of that name. Order says nothing: whoever can set a
// cookie for a parent domain or a longer path decides it (RFC 6265bis, section 8.6).
func (s *signer) read(h http.Header, name string) (found []wire.ID, presented bool) {
next:
	for value := range cookieValues(h, name) {
		presented = true
		_, old, ok := s.decode(value)
		if !ok {
			continue
		}
		text := value[:encodedLength]
		for _, f := range found {
			if f.Text == text {
				continue next
			}
		}
		if found = append(found, wire.ID{Text: text, Old: old}); len(found) > maxCandidates {
			return nil, true
		}
	}
	return found, presented
}

// maxCookies is that of net/http, which finds none where there are more.
const maxCookies = 3000

// cookieValues yields what http.Request.CookiesNamed finds, without making a Cookie of
// each, and leaves quotes around a value where they are.
func cookieValues(h http.Header, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		lines, all := h["Cookie"], 0
		for _, line := range lines {
			all += strings.Count(line, ";") + 1
		}
		if all > maxCookies {
			return
		}
		for _, line := range lines {
			for part := range strings.SplitSeq(line, ";") {
				n, value, _ := strings.Cut(textproto.TrimString(part), "=")
				if textproto.TrimString(n) == name && !yield(value) {
					return
				}
			}
		}
	}
}

// cookie returns what to send for value; maxAge as in [SessionCookie]. An
// empty value deletes the cookie in the browser, for which all attributes must
// be those it was set with.
func (o *CookieOptions) cookie(value string, maxAge time.Duration, secure bool) *http.Cookie {
	c := &http.Cookie{
		Name: o.Name, Value: value, Path: o.Path, Domain: o.Domain,
		Secure: secure, HttpOnly: !o.UnsafeScriptAccess, SameSite: o.SameSite, Partitioned: o.Partitioned,
	}
	switch {
	case value == "":
		c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	case maxAge > 0:
		c.MaxAge = int((maxAge + time.Second - 1) / time.Second)
	}
	return c
}

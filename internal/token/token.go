// Package token makes the tokens that clients carry, and reads and signs what stands in cookies.
package token

import (
	"bytes"
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

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
	"github.com/sqlsessions/sessions/internal/wire"
)

// A Token is what a client carries: the session's ID, and 256 secret random bits.
type Token [uuid.Size + sha256.Size]byte

// New returns a token for the session with this ID, or with a new one.
func New(id driver.ID) (t Token) {
	_, _ = rand.Read(t[uuid.Size:]) // since Go 1.24 it never fails: it ends the program instead
	name, ok := uuid.Parse(string(id))
	if !ok {
		name = uuid.New()
	}
	copy(t[:], name[:])
	return t
}

// Ref is what a reader of the database sees of a token.
func (t *Token) Ref() driver.Ref {
	var b [uuid.Length + sha256.Size]byte
	sum := sha256.Sum256(t[uuid.Size:])
	uuid.Encode(b[:], [uuid.Size]byte(t[:]))
	copy(b[uuid.Length:], sum[:])
	both := string(b[:]) // one allocation in place of two
	return driver.Ref{ID: driver.ID(both[:uuid.Length]), Verifier: driver.Verifier(both[uuid.Length:])}
}

// Text is how a token stands in a cookie, without the signature.
func (t *Token) Text() string {
	var b [tokenLength]byte
	b[0] = tokenFormat
	canonical.Encode(b[1:], t[:])
	return string(b[:])
}

// A Signer turns tokens into cookie values and back. A value is the character
// that says its format, the token, a dot, and an HMAC-SHA-256 of the format and
// the token, both as base64url.
type Signer struct {
	macs []*sync.Pool // of *mac, one pool a secret; the first one signs
	info []byte       // binds a value to this format and to the cookie's name
}

// A mac keeps the buffers of one computation, which would be two allocations each.
type mac struct {
	hash hash.Hash
	in   [1 + len(Token{})]byte
	out  [sha256.Size]byte
}

const (
	tokenFormat = '1' // a later version with another layout begins with another character
	tokenLength = 1 + len(Token{})*4/3
	valueLength = tokenLength + 1 + (sha256.Size*8+5)/6
)

// canonical refuses the spellings that differ in unused trailing bits.
var canonical = base64.RawURLEncoding.Strict()

// minSecret: a shorter key weakens the HMAC (RFC 2104, section 3).
const minSecret = sha256.Size

// CheckSecrets reports what is wrong with the option Secrets.
func CheckSecrets(secrets [][]byte, check func(bad bool, format string, args ...any)) {
	check(len(secrets) == 0, "Secrets is empty; give at least one secret of %d random bytes, for example from `openssl rand -base64 32`", minSecret)
	for i, secret := range secrets {
		short := len(secret) < minSecret
		check(short, "Secrets[%d] has %d bytes; use at least %d random bytes", i, len(secret), minSecret)
		check(!short && bytes.Count(secret, secret[:1]) == len(secret), "Secrets[%d] is one byte repeated; use %d random bytes", i, minSecret)
	}
}

func NewSigner(name string, secrets [][]byte) *Signer {
	s := &Signer{info: []byte("sessions/v1\x00" + name + "\x00")}
	for _, secret := range secrets {
		secret = append([]byte(nil), secret...) // the caller may wipe or reuse its slice
		s.macs = append(s.macs, &sync.Pool{New: func() any { return &mac{hash: hmac.New(sha256.New, secret)} }})
	}
	return s
}

func (s *Signer) sum(which int, t *Token) [sha256.Size]byte {
	m := s.macs[which].Get().(*mac)
	defer s.macs[which].Put(m)
	m.hash.Reset()
	m.hash.Write(s.info)
	m.in[0] = tokenFormat
	copy(m.in[1:], t[:])
	m.hash.Write(m.in[:])
	m.hash.Sum(m.out[:0])
	return m.out
}

func (s *Signer) Encode(t *Token) string {
	var b [valueLength]byte
	sum := s.sum(0, t)
	b[0] = tokenFormat
	canonical.Encode(b[1:tokenLength], t[:])
	b[tokenLength] = '.'
	canonical.Encode(b[tokenLength+1:], sum[:])
	return string(b[:])
}

// Decode returns the token in a cookie value, and whether an older secret than
// the first signed it. It refuses everything that Encode does not write.
func (s *Signer) Decode(value string) (t Token, old, ok bool) {
	if len(value) != valueLength || value[tokenLength] != '.' {
		return Token{}, false, false
	}
	var sum [sha256.Size]byte
	if !t.Parse(value[:tokenLength]) || !decodeExactly(sum[:], value[tokenLength+1:]) {
		return Token{}, false, false
	}
	for i := range s.macs {
		if want := s.sum(i, &t); hmac.Equal(want[:], sum[:]) {
			return t, i > 0, true
		}
	}
	return Token{}, false, false
}

// Parse reads what Text writes.
func (t *Token) Parse(text string) bool {
	return len(text) == tokenLength && text[0] == tokenFormat && decodeExactly(t[:], text[1:])
}

// decodeExactly fills dst from a text of exactly its length.
func decodeExactly(dst []byte, text string) bool {
	var b [tokenLength]byte
	// The decoder skips line breaks, so a text with one comes out short.
	n, err := canonical.Decode(dst, b[:copy(b[:], text)])
	return err == nil && n == len(dst)
}

const (
	// maxCandidates bounds how many different, correctly signed tokens one request
	// may ask the store about.
	maxCandidates = 4

	// maxSignatures bounds how many of a request's cookies are checked, each with every
	// secret. No browser keeps so many cookies of a site.
	maxSignatures = 256
)

// Read returns the different tokens in the correctly signed cookies of a name, and
// whether there is any cookie of that name. Their order means nothing, because a server
// that can set a cookie for a parent domain or a longer path controls it (RFC 6265bis,
// section 8.6). In a request with too many there is none.
func (s *Signer) Read(h http.Header, name string) (found []wire.Token, presented bool) {
	signatures := 0
next:
	for value := range cookieValues(h, name) {
		presented = true
		if len(value) != valueLength {
			continue
		}
		text := value[:tokenLength]
		for _, f := range found {
			if f.Text == text {
				continue next
			}
		}
		if signatures++; signatures > maxSignatures {
			return nil, true
		}
		_, old, ok := s.Decode(value)
		if !ok {
			continue
		}
		if found = append(found, wire.Token{Text: text, Old: old}); len(found) > maxCandidates {
			return nil, true
		}
	}
	return found, presented
}

// maxCookies is net/http's limit. It finds no cookie in a request with more.
const maxCookies = 3000

// cookieValues yields what http.Request.CookiesNamed finds, without allocating a
// Cookie for each, and keeps quotes around a value.
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

package sessions

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/internal/wire"
)

// A fate is what becomes of a session's cookie: whether one can still reach the
// browser, and which one has to.
type fate struct {
	path      cookiePath
	secure    bool // as wire.Protocol.Sends says
	presented bool // the request carried a cookie of our name
	inherited bool // the session came with a predecessor's cookie, which has to go

	isNew     bool // the browser does not have the token yet
	again     bool // it should get the cookie of its token again, if the session still has that token
	confirmed bool // it had, when the row was last written

	drop    bool
	dropped wire.Attributes // of the stored session whose cookie is dropped, or nil
}

// cookiePath says whether a cookie can still reach the browser.
type cookiePath int

const (
	cookieOpen     cookiePath = iota
	cookieWithheld            // a Secure cookie on plain HTTP
	cookieGone                // the header has left, or there is no response
)

// close notes that no cookie can be sent any more and returns how it was.
func (f *fate) close() cookiePath {
	was := f.path
	if was == cookieOpen {
		f.path = cookieGone
	}
	return was
}

// due reports whether a stored session's cookie has to be sent.
func (f *fate) due() bool { return f.isNew || f.again && f.confirmed }

// destroy notes that the session ended. was are the stored attributes of its cookie, or
// nil if it was not stored.
func (f *fate) destroy(was wire.Attributes) {
	if was != nil {
		f.dropped = was
	}
	f.isNew, f.again, f.drop = false, false, f.presented
}

// adopt adds what a commit found out.
func (f *fate) adopt(c fate) {
	f.isNew = f.isNew || c.isNew
	f.again = f.again || c.again
	f.confirmed = c.confirmed
}

// setCookieLine puts a cookie into the header, in place of an earlier one with its
// name.
func setCookieLine(h http.Header, name, line string) {
	lines := slices.DeleteFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, name+"=") })
	h["Set-Cookie"] = append(lines, line)
	// Set-Cookie does not keep a cache from storing the response (RFC 9111, section 7.3).
	if !strings.Contains(strings.ToLower(strings.Join(h["Cache-Control"], ",")), "no-store") {
		h.Set("Cache-Control", "no-store")
	}
}

func addVary(h http.Header) {
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Cookie") {
				return
			}
		}
	}
	h["Vary"] = append(h["Vary"], "Cookie")
}

// Package reply writes the parts of a response that concern its cookies.
package reply

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/internal/quoted"
)

// SetCookie puts a cookie into the header, in place of an earlier one with its
// name.
func SetCookie(h http.Header, name, line string) {
	lines := slices.DeleteFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, name+"=") })
	h["Set-Cookie"] = append(lines, line)
	NoStore(h)
}

// NoStore keeps caches from storing the response, which Set-Cookie does not (RFC 9111,
// section 7.3). Where a cache has a header of its own, it believes that (RFC 9213).
func NoStore(h http.Header) {
	for name := range h {
		if lower := strings.ToLower(name); strings.HasSuffix(lower, "-cache-control") || slices.Contains(ownHeaders, lower) {
			delete(h, name)
		}
	}
	for _, line := range h["Cache-Control"] {
		directives, _ := quoted.Split(line, ',')
		if slices.ContainsFunc(directives, func(d string) bool { return strings.EqualFold(d, "no-store") }) {
			return
		}
	}
	h.Set("Cache-Control", "no-store")
}

// ownHeaders are those whose name does not say so: of CDNs with Edge Side Includes, of
// Akamai and of nginx.
var ownHeaders = []string{"surrogate-control", "edge-control", "x-accel-expires"}

// AddVary says that the response depends on the cookie.
func AddVary(h http.Header) {
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Cookie") {
				return
			}
		}
	}
	h["Vary"] = append(h["Vary"], "Cookie")
}

// Ask lets handler answer, or otherwise if it writes nothing, which net/http would turn into
// a 200.
func Ask(handler, otherwise ErrorHandler, w http.ResponseWriter, r *http.Request, err error) {
	a := &answer{ResponseWriter: w}
	if handler(a, r, err); !a.wrote {
		otherwise(w, r, err)
	}
}

// An ErrorHandler answers a request that failed.
type ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error)

// An answer notes whether an error handler wrote anything.
type answer struct {
	http.ResponseWriter
	wrote bool
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	a.wrote = true
	a.ResponseWriter.WriteHeader(status)
}

// FlushError is what http.ResponseController calls.
func (a *answer) FlushError() error {
	a.wrote = true
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(b []byte) (int, error) {
	a.wrote = true
	return a.ResponseWriter.Write(b)
}

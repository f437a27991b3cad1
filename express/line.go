package express

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
)

// errLine: the package cookie would throw instead of returning a line.
var errLine = errors.New("express: the cookie can't be sent")

var (
	nameRE   = regexp.MustCompile("^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$")
	domainRE = regexp.MustCompile(`^\.?[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$`)
	pathRE   = regexp.MustCompile(`^[\x20-\x3A\x3D-\x7E]*$`)
)

var (
	priorities = map[string]string{"low": "Low", "medium": "Medium", "high": "High"}
	sites      = map[string]string{"lax": "Lax", "strict": "Strict", "none": "None"}
)

// line returns the Set-Cookie line for a value that is not encoded yet, as
// serialize of the package cookie writes it for a Cookie of express-session. It
// has Expires and never Max-Age. Whether a Secure cookie may go out is for the
// caller to decide.
func (a *attributes) line(name, content string) (string, error) {
	var b strings.Builder
	b.WriteString(name + "=" + encodeComponent(content))
	if !nameRE.MatchString(name) {
		return "", fmt.Errorf("%w: argument name is invalid", errLine)
	}
	if a.domain.truthy() {
		if !a.domain.matches(domainRE) {
			return "", invalid("domain")
		}
		b.WriteString("; Domain=" + a.domain.string())
	}
	if a.path.truthy() {
		if !a.path.matches(pathRE) {
			return "", invalid("path")
		}
		b.WriteString("; Path=" + a.path.string())
	}
	if a.expires.truthy() {
		if a.expires.kind != date || math.IsNaN(a.expires.num) {
			return "", invalid("expires")
		}
		b.WriteString("; Expires=" + utcString(a.expires.num))
	}
	for i, flag := range []value{a.httpOnly, a.secure, a.partitioned} {
		if flag.truthy() {
			b.WriteString([]string{"; HttpOnly", "; Secure", "; Partitioned"}[i])
		}
	}
	if a.priority.truthy() {
		priority, ok := priorities[a.priority.word()]
		if !ok {
			return "", invalid("priority")
		}
		b.WriteString("; Priority=" + priority)
	}
	if a.sameSite.truthy() {
		site, ok := sites[a.sameSite.word()]
		if a.sameSite.kind == boolean {
			site, ok = "Strict", true
		}
		if !ok {
			return "", invalid("sameSite")
		}
		b.WriteString("; SameSite=" + site)
	}
	return b.String(), nil
}

func invalid(option string) error { return fmt.Errorf("%w: option %s is invalid", errLine, option) }

// matches tests a value that may have been stored as a number. JavaScript
// would also make a string of an array; that is refused here.
func (v value) matches(re *regexp.Regexp) bool {
	return v.kind != composite && re.MatchString(v.string())
}

// word is a text in lower case, or "" for anything else. It leaves letters
// outside of ASCII alone: some have a lower case in ASCII in Go alone.
func (v value) word() string {
	if v.kind != text {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, v.text)
}

package express

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// marker begins a cookie value that is signed.
const marker = "s:"

// readID returns the id that a cookie's value carries, and which secret signed
// it, as getcookie of express-session does. An empty id is none, however well
// it is signed: express-session makes a new session for it.
func readID(value string, secrets [][]byte) (id string, which int, ok bool) {
	signed, found := strings.CutPrefix(value, marker)
	if !found {
		return "", 0, false
	}
	id, which, ok = unsign(signed, secrets)
	return id, which, ok && id != ""
}

// cookieValue returns the value of the first cookie of that name in a request's
// Cookie lines, as parse of the package cookie does, with the lines joined as
// Node joins them. A first cookie that is bad hides a second one that is good.
func cookieValue(lines []string, name string) (value string, present bool) {
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			key, value, found := strings.Cut(pair, "=")
			if found && trim(key) == name {
				return decodeComponent(unquote(trim(value))), true
			}
		}
	}
	return "", false
}

func trim(s string) string { return strings.Trim(s, " \t") }

func unquote(s string) string {
	if s == `"` { // it is its own closing quote
		return ""
	}
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// decodeComponent is decodeURIComponent, or what it was given where that would
// throw. To Node each byte of a header is one character, so those past ASCII
// come out as two bytes of UTF-8.
func decodeComponent(s string) string {
	s = fromLatin1(s)
	if !strings.Contains(s, "%") {
		return s
	}
	// A sequence that is begun by escapes and ended by plain characters, or the
	// other way about, is not valid UTF-8, so one look at the whole will do.
	decoded, err := url.PathUnescape(s)
	if err != nil || !utf8.ValidString(decoded) {
		return s
	}
	return decoded
}

func fromLatin1(s string) string {
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if ascii {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

const upperHex = "0123456789ABCDEF"

// encodeComponent is encodeURIComponent.
func encodeComponent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.!~*'()", c) >= 0
}

package express

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"iter"
	"net/url"
	"strings"
	"unicode/utf8"
)

// marker begins a cookie value that is signed.
const marker = "s:"

const (
	// maxValue is how many bytes of a cookie's value are checked. Browsers keep no cookie
	// that is longer (RFC 6265bis), and each secret has to go over all of it.
	maxValue = 4096
	// maxValues bounds how many of a request's cookies are checked. No browser keeps so
	// many of a site.
	maxValues = 256
	// maxCookies is net/http's limit. A request with more has none that counts.
	maxCookies = 3000
	// signatureLength is that of an HMAC-SHA-256 in base64.
	signatureLength = 43
)

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
	for value := range cookieValues(lines, name) {
		return value, true
	}
	return "", false
}

// cookieValues yields those of all cookies of that name, up to maxValues of them, and ""
// for one that is too long.
func cookieValues(lines []string, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		values, all := 0, 0
		for _, line := range lines {
			all += strings.Count(line, ";") + 1
		}
		if all > maxCookies {
			return
		}
		for _, line := range lines {
			for pair := range strings.SplitSeq(line, ";") {
				key, value, found := strings.Cut(pair, "=")
				if !found || trim(key) != name {
					continue
				}
				if value = trim(value); len(value) > maxValue {
					value = ""
				}
				if values++; values > maxValues || !yield(decodeComponent(unquote(value))) {
					return
				}
			}
		}
	}
}

func trim(s string) string { return strings.Trim(s, " \t") }

func unquote(s string) string {
	if strings.HasPrefix(s, `"`) && strings.HasSuffix(s, `"`) {
		return s[1:max(len(s)-1, 1)] // one alone is its own closing quote
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
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// escapes turns the form that a query has into that of a component.
var escapes = strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")

// encodeComponent is encodeURIComponent.
func encodeComponent(s string) string { return escapes.Replace(url.QueryEscape(s)) }

// sign returns the id, a dot and the id's HMAC-SHA-256, as sign of
// cookie-signature does.
func sign(id string, secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id))
	return id + "." + base64.RawStdEncoding.EncodeToString(mac.Sum(nil))
}

// unsign returns the id in a signed value and which of the secrets signed it.
// Everything up to the last dot is the id, which may be empty. Each secret
// signs that again and the whole is compared, so only the one spelling that
// sign writes is good. As unsign of cookie-signature does, over all secrets.
func unsign(value string, secrets [][]byte) (id string, which int, ok bool) {
	dot := strings.LastIndexByte(value, '.')
	if dot < 0 || len(value)-dot-1 != signatureLength {
		return "", 0, false
	}
	id = value[:dot]
	for i, secret := range secrets {
		if hmac.Equal([]byte(sign(id, secret)), []byte(value)) {
			return id, i, true
		}
	}
	return "", 0, false
}

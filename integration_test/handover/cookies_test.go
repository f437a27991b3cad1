package handover_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// sign returns the value of the cookie for an id, encoded.
func sign(sid, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(sid))
	escaped := url.QueryEscape("s:" + sid + "." + base64.RawStdEncoding.EncodeToString(mac.Sum(nil)))
	return strings.ReplaceAll(escaped, "+", "%20") // a plus was %2B
}

// readCookie returns the id in a cookie's value, and which of the secrets signed it;
// "" if none did.
func readCookie(value string, secrets []string) (sid, secret string) {
	plain, err := url.QueryUnescape(value)
	dot := strings.LastIndexByte(plain, '.')
	if err != nil || dot < 2 {
		return "", ""
	}
	sid = plain[2:dot]
	for _, secret := range secrets {
		if sign(sid, secret) == value {
			return sid, secret
		}
	}
	return "", ""
}

// idOf returns the public name of a session: the beginning of the sid's SHA-256
// as a UUID of version 8.
func idOf(sid string) string {
	b := sha256.Sum256([]byte(sid))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// A line is a Set-Cookie line, taken apart.
type line struct {
	name, value string
	attributes  string    // as they stand there, with "Expires=*"
	expires     time.Time // zero for none
}

func parseLine(text string) (line, error) {
	pair, rest, _ := strings.Cut(text, "; ")
	var l line
	l.name, l.value, _ = strings.Cut(pair, "=")
	parts := strings.Split(rest, "; ")
	for i, part := range parts {
		when, found := strings.CutPrefix(part, "Expires=")
		if !found {
			continue
		}
		var err error
		if l.expires, err = http.ParseTime(when); err != nil {
			return l, fmt.Errorf("%s: %w", text, err)
		}
		parts[i] = "Expires=*"
	}
	l.attributes = strings.Join(parts, "; ")
	return l, nil
}

// like reports whether two lines differ at most in their values and by so much in
// their expiry.
func (l line) like(other line, slack time.Duration) bool {
	return l.name == other.name && l.attributes == other.attributes &&
		l.expires.IsZero() == other.expires.IsZero() && l.expires.Sub(other.expires).Abs() <= slack
}

// sessionLine returns the line about the session among a response's, nil if there
// is none.
func sessionLine(r reply, name string) (*line, error) {
	var found *line
	for _, text := range r.cookies {
		l, err := parseLine(text)
		if err != nil {
			return nil, err
		}
		if l.name != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("two cookies of one name: %q", r.cookies)
		}
		found = &l
	}
	return found, nil
}

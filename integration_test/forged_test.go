package integration_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// signed is the value of the cookie "session" for a token, an ID and a secret, as the
// package makes it.
func signed(id [16]byte, token []byte) string {
	all := append(append([]byte{'1'}, id[:]...), token...)
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write(append([]byte("sessions/v1\x00session\x00"), all...))
	encode := base64.RawURLEncoding.EncodeToString
	return "1" + encode(all[1:]) + "." + encode(mac.Sum(nil))
}

// parts takes a cookie apart.
func parts(t *testing.T, value string) (id [16]byte, token []byte) {
	t.Helper()
	text, _, _ := strings.Cut(value, ".")
	raw, err := base64.RawURLEncoding.DecodeString(text[1:])
	check(t, err)
	return [16]byte(raw), raw[16:]
}

// with is a browser that sends this cookie.
func (a *app) with(t *testing.T, value string) *browser {
	t.Helper()
	b := a.browser(t)
	b.setCookies(&http.Cookie{Name: "session", Value: value, Path: "/"})
	return b
}

// Cookies without a signature of ours, all of which look a little like one.
func TestUnsignedTokensCostNoQuery(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		a := newApp(t, b.newTable(t))
		user := a.browser(t)
		user.ok("/login?u=alice")
		good := user.cookie().Value
		id, token := parts(t, good)
		text, mac, _ := strings.Cut(good, ".")
		encode := base64.RawURLEncoding.EncodeToString
		legacy := hmac.New(sha256.New, secret) // as before there were IDs
		_, _ = legacy.Write(append([]byte("sessions/v1\x00session\x00"), token...))
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := strings.IndexByte(alphabet, good[len(good)-1])
		values := []string{
			good[:len(good)-1] + alphabet[last+1:last+2], // the same signature, with a bit that says nothing
			encode(token) + "." + encode(legacy.Sum(nil)), encode(token) + "." + mac, encode(id[:]) + "." + mac,
			"0" + good[1:], "2" + good[1:], "A" + good[1:], good[1:], "1" + good, good + "." + mac, text + "." + text, text + ".." + mac, text + mac,
			"1" + encode(append(id[:], make([]byte, 32)...)) + "." + mac, string(sessions.ID(uuid.Format(id))), uuid.Format(id) + "." + mac,
			good + "A", good + good, strings.Repeat("1", len(good)), strings.Repeat("1", len(text)) + "." + mac,
		}
		for i := range good { // truncated, and with another character
			other := byte('A')
			if good[i] == other {
				other = 'B'
			}
			values = append(values, good[:i], good[:i]+string(other)+good[i+1:])
		}
		before, rows := a.statements.Load(), a.rows(t)
		for _, value := range values {
			if got := a.with(t, value).get("/user"); got.StatusCode != http.StatusOK || got.body != "" || setsCookie(got) {
				t.Errorf("%s: %d %q, Set-Cookie %t", value, got.StatusCode, got.body, setsCookie(got))
			}
		}
		if n := a.statements.Load() - before - 1; n != 0 { // one is the test's own count
			t.Errorf("%d cookies cost %d statements", len(values), n)
		}
		if n := a.rows(t); n != rows {
			t.Errorf("%d rows, were %d", n, rows)
		}
		if got := user.ok("/user"); got != "alice" {
			t.Errorf("afterwards the session is %q's", got)
		}
	})
}

// Tokens with the right signature, as only a thief of the secret or an old browser has.
func TestSignedTokensThatProveNothing(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		a := newApp(t, b.newTable(t))
		alice, bob := a.browser(t), a.browser(t)
		alice.ok("/login?u=alice")
		bob.ok("/login?u=bob")
		old := alice.cookie().Value
		alice.ok("/regenerate")
		alicesID, alices := parts(t, alice.cookie().Value)
		bobsID, bobs := parts(t, bob.cookie().Value)
		if signed(bobsID, bobs) != bob.cookie().Value {
			t.Fatal("the package signs in another way, and this test shows nothing")
		}
		verifier := sha256.Sum256(alices)
		unknown := make([]byte, 32)
		_, _ = rand.Read(unknown)
		before := a.dump(t)
		for name, value := range map[string]string{
			"another session's secret":    signed(alicesID, bobs),
			"another session's ID":        signed(bobsID, alices),
			"no session's secret":         signed(alicesID, unknown),
			"no session's ID":             signed([16]byte(unknown), alices),
			"the verifier in place of it": signed(alicesID, verifier[:]),
			"zeros":                       signed(alicesID, make([]byte, 32)),
			"all zeros":                   signed([16]byte{}, make([]byte, 32)),
			"the token of before":         old,
		} {
			for _, path := range []string{"/user", "/read", "/regenerate", "/logout"} {
				statements := a.statements.Load()
				got := a.with(t, value).get(path)
				if got.StatusCode != http.StatusOK || got.body != "" || a.statements.Load() > statements+1 {
					t.Errorf("%s: %s was answered %d %q after %d statements", name, path, got.StatusCode, got.body, a.statements.Load()-statements)
				}
			}
		}
		if a.dump(t) != before {
			t.Error("a row has changed")
		}
		for want, user := range map[string]*browser{"alice": alice, "bob": bob} {
			if got := user.ok("/user"); got != want {
				t.Errorf("%s is %q", want, got)
			}
		}
		thief := a.with(t, signed(alicesID, bobs))
		thief.ok("/set?v=mine")
		if id, _ := parts(t, thief.cookie().Value); id == alicesID || a.rows(t) != 3 {
			t.Errorf("a client has chosen the ID of its session, or there are %d rows", a.rows(t))
		}
		a.logHolds(t, old, alice.cookie().Value, bob.cookie().Value)
	})
}

// logHolds fails if the log has a secret of one of these cookies.
func (a *app) logHolds(t *testing.T, cookies ...string) {
	t.Helper()
	log := a.log.String()
	for _, value := range cookies {
		_, token := parts(t, value)
		verifier := sha256.Sum256(token)
		text, mac, _ := strings.Cut(value, ".")
		for _, private := range [][]byte{token, verifier[:], []byte(value), []byte(text), []byte(text[1+22:]), []byte(mac)} {
			for _, spelling := range spellings(private) {
				if strings.Contains(log, spelling) {
					t.Errorf("the log holds a secret as %.20q", spelling)
				}
			}
		}
	}
}

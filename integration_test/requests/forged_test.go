package requests_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// signed is the value of the cookie "session" for a token, an ID and a secret, as the
// package makes it.
func signed(id [16]byte, token []byte) string {
	all := append(append([]byte{'1'}, id[:]...), token...)
	mac := hmac.New(sha256.New, testbed.Secret)
	_, _ = mac.Write(append([]byte("sessions/v1\x00session\x00"), all...))
	encode := base64.RawURLEncoding.EncodeToString
	return "1" + encode(all[1:]) + "." + encode(mac.Sum(nil))
}

// with is a browser that sends this cookie.
func with(t *testing.T, a *testbed.App, value string) *testbed.Browser {
	t.Helper()
	b := a.Browser(t)
	b.SetCookies(&http.Cookie{Name: "session", Value: value, Path: "/"})
	return b
}

// Cookies without a signature of ours, all of which look a little like one.
func TestUnsignedTokensCostNoQuery(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		a := testbed.NewApp(t, b.NewTable(t))
		user := a.Browser(t)
		user.OK("/login?u=alice")
		good := user.Cookie().Value
		id, token := testbed.CookieParts(t, good)
		text, mac, _ := strings.Cut(good, ".")
		encode := base64.RawURLEncoding.EncodeToString
		legacy := hmac.New(sha256.New, testbed.Secret) // as before there were IDs
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
		before, rows := a.Statements.Load(), a.Rows(t)
		for _, value := range values {
			if got := with(t, a, value).Fetch("/user"); got.StatusCode != http.StatusOK || got.Body != "" || testbed.SetsCookie(got) {
				t.Errorf("%s: %d %q, Set-Cookie %t", value, got.StatusCode, got.Body, testbed.SetsCookie(got))
			}
		}
		if n := a.Statements.Load() - before - 1; n != 0 { // one is the test's own count
			t.Errorf("%d cookies cost %d statements", len(values), n)
		}
		if n := a.Rows(t); n != rows {
			t.Errorf("%d rows, were %d", n, rows)
		}
		if got := user.OK("/user"); got != "alice" {
			t.Errorf("afterwards the session is %q's", got)
		}
	})
}

// Tokens with the right signature, as only a thief of the secret or an old browser has.
func TestSignedTokensThatProveNothing(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		a := testbed.NewApp(t, b.NewTable(t))
		alice, bob := a.Browser(t), a.Browser(t)
		alice.OK("/login?u=alice")
		bob.OK("/login?u=bob")
		old := alice.Cookie().Value
		alice.OK("/regenerate")
		alicesID, alices := testbed.CookieParts(t, alice.Cookie().Value)
		bobsID, bobs := testbed.CookieParts(t, bob.Cookie().Value)
		if signed(bobsID, bobs) != bob.Cookie().Value {
			t.Fatal("the package signs in another way, and this test shows nothing")
		}
		verifier := sha256.Sum256(alices)
		unknown := make([]byte, 32)
		_, _ = rand.Read(unknown)
		before := dump(t, a.Table)
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
				statements := a.Statements.Load()
				got := with(t, a, value).Fetch(path)
				if got.StatusCode != http.StatusOK || got.Body != "" || a.Statements.Load() > statements+1 {
					t.Errorf("%s: %s was answered %d %q after %d statements", name, path, got.StatusCode, got.Body, a.Statements.Load()-statements)
				}
			}
		}
		if dump(t, a.Table) != before {
			t.Error("a row has changed")
		}
		for want, user := range map[string]*testbed.Browser{"alice": alice, "bob": bob} {
			if got := user.OK("/user"); got != want {
				t.Errorf("%s is %q", want, got)
			}
		}
		thief := with(t, a, signed(alicesID, bobs))
		thief.OK("/set?v=mine")
		if id, _ := testbed.CookieParts(t, thief.Cookie().Value); id == alicesID || a.Rows(t) != 3 {
			t.Errorf("a client has chosen the ID of its session, or there are %d rows", a.Rows(t))
		}
		a.LogHolds(t, old, alice.Cookie().Value, bob.Cookie().Value)
	})
}

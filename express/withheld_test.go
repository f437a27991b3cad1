package express_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
)

// As upstream does, the session is kept although its cookie is not sent. The log says so once,
// and names what this package's options can do about it.
func TestACookieThatIsNotSentIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	store := newSpy()
	m := newManager(t, store, secureIs(express.SecureTrue), func(o *express.Options) {
		o.Sessions.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	for range 3 {
		if res := newBrowser(t, m).visit(change); res.Header["Set-Cookie"] != nil {
			t.Errorf("Set-Cookie %q", res.Header["Set-Cookie"])
		}
	}
	wantOps(t, store, "set", "set", "set")
	text := log.String()
	if strings.Count(text, "\n") != 1 {
		t.Fatalf("the log says:\n%s\nwant one line", text)
	}
	for word, want := range map[string]bool{
		"plain HTTP": true, "stored": true, "TrustProxyHops": true, "TrustedProxies": true, "ProxyTrue": true, "express.SecureAuto": true,
		"not kept": false, "sessions.SecureAuto": false, "Options.Cookie.Secure to sessions": false,
	} {
		if strings.Contains(text, word) != want {
			t.Errorf("it has %q: %v, want %v:\n%s", word, !want, want, text)
		}
	}
}

// Node can store attributes of which no cookie can be made.
func TestAStoredCookieThatCannotBeWrittenIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	store := newSpy()
	m := newManager(t, store, rolling, func(o *express.Options) { o.Sessions.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	plant(t, store, "x", `{"cookie":{"originalMaxAge":null,"domain":"a b"},"views":3}`)
	b := newBrowser(t, m)
	b.cookies["connect.sid"] = signed("x", secret)
	if res := b.visit(func(s *sessions.Session) { change(s) }); res.Header["Set-Cookie"] != nil {
		t.Errorf("Set-Cookie %q", res.Header["Set-Cookie"])
	}
	if !strings.Contains(log.String(), "attributes") {
		t.Errorf("the log says:\n%s", log.String())
	}
}

package express_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/memstore"
)

// What express-session decides can't be given a second time.
func TestSessionsOptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	for field, given := range map[string]sessions.Options{
		"Secrets":        {Secrets: [][]byte{[]byte("x")}},
		"Cookie":         {Cookie: sessions.CookieOptions{SameSite: http.SameSiteLaxMode}},
		"IdleTimeout":    {IdleTimeout: time.Hour},
		"Lifetime":       {Lifetime: time.Hour},
		"TrustedProxies": {TrustedProxies: []string{"10.0.0.7"}},
		"RotateAfter":    {RotateAfter: time.Hour},
		"EndOnReplay":    {EndOnReplay: true},
		"MaxPerUser":     {MaxPerUser: 3},
		"RefuseOverMax":  {MaxPerUser: 3, RefuseOverMax: true},
		"KeepEnded":      {KeepEnded: time.Hour},
		"visitors":       {AnonymousTimeout: time.Minute},
		"AdmitAnonymous": {AdmitAnonymous: func(*http.Request) error { return nil }},
		"TouchInterval":  {TouchInterval: 20 * time.Hour}, // of the root's checks
	} {
		_, err := express.New(memstore.New(), express.Options{Secrets: []string{secret}, Sessions: given})
		if !errors.Is(err, sessions.ErrInvalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	_, err := express.New(memstore.New(), express.Options{Secrets: []string{secret}, TrustedProxies: []string{"10.0.0.7", "proxy"}})
	if !errors.Is(err, sessions.ErrInvalid) || !strings.Contains(err.Error(), "TrustedProxies[1]") {
		t.Errorf("a proxy that is no address: %v", err)
	}
}

func TestCookiesOfOtherManagers(t *testing.T) {
	t.Parallel()
	m, err := sessions.New(memstore.New(), sessions.Options{Secrets: [][]byte{[]byte("another secret of 32 bytes or more")}})
	if err != nil {
		t.Fatal(err)
	}
	newBrowser(t, m).visit(func(s *sessions.Session) {
		if c := express.Cookie(s); c != (express.CookieOptions{}) {
			t.Errorf("Cookie returns %+v", c)
		}
		if err := express.SetCookie(s, express.CookieOptions{Path: "/"}); !errors.Is(err, sessions.ErrInvalid) {
			t.Errorf("SetCookie returns %v", err)
		}
	})
}

func TestDisableTouch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		b := newBrowser(t, newManager(t, store, func(o *express.Options) { o.DisableTouch = true }))
		b.visit(change)
		time.Sleep(20 * time.Hour)
		store.taken()
		b.visit(func(s *sessions.Session) { touch(s); look(s) })
		wantOps(t, store, "get")
		time.Sleep(4 * time.Hour)
		wantViews(t, b, 0)
	})
}

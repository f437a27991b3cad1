package sessions

import (
	"log/slog"
	"net/http"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	o := Options{}.withDefaults()
	if o.IdleTimeout != 24*time.Hour || o.Lifetime != 30*24*time.Hour || o.TouchInterval != time.Minute ||
		o.MaxBytes != 65536 || o.Timeout != 5*time.Second || o.TrustedProxies != nil || o.Skip != nil ||
		o.ErrorHandler == nil || o.logger() != slog.Default() || o.Secrets != nil || o.AnonymousTimeout != 0 || o.AdmitAnonymous != nil {
		t.Errorf("defaults %+v", o)
	}
	want := CookieOptions{Name: "__Host-session", Path: "/", SameSite: http.SameSiteLaxMode, Secure: SecureAlways}
	if o.Cookie != want {
		t.Errorf("cookie %+v, want %+v", o.Cookie, want)
	}
}

func TestDefaultsThatFollowOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		given       Options
		idle, touch time.Duration
	}{
		{Options{Lifetime: time.Hour}, time.Hour, time.Minute},
		{Options{Lifetime: 5 * time.Minute}, 5 * time.Minute, 30 * time.Second},
		{Options{IdleTimeout: 2 * time.Minute}, 2 * time.Minute, 12 * time.Second},
		{Options{IdleTimeout: 20 * time.Minute}, 20 * time.Minute, time.Minute},
		{Options{IdleTimeout: time.Hour, TouchInterval: 5 * time.Minute}, time.Hour, 5 * time.Minute},
		{Options{IdleTimeout: time.Hour, AnonymousTimeout: 2 * time.Minute}, time.Hour, 12 * time.Second},
		{Options{IdleTimeout: time.Hour, AnonymousTimeout: 20 * time.Minute}, time.Hour, time.Minute},
	} {
		o := c.given.withDefaults()
		if o.IdleTimeout != c.idle || o.TouchInterval != c.touch {
			t.Errorf("%+v: idle %v and touch %v, want %v and %v", c.given, o.IdleTimeout, o.TouchInterval, c.idle, c.touch)
		}
	}
	for want, c := range map[string]CookieOptions{
		"__Host-session":   {},
		"__Secure-session": {Path: "/app"},
		"session":          {Secure: SecureAuto},
		"mine":             {Name: "mine"},
	} {
		if got := (Options{Cookie: c}.withDefaults()).Cookie.Name; got != want {
			t.Errorf("%+v: name %q, want %q", c, got, want)
		}
	}
	if got := (Options{Cookie: CookieOptions{Domain: "example.com"}}.withDefaults()).Cookie.Name; got != "__Secure-session" {
		t.Errorf("with a domain the name is %q", got)
	}
}

package sessions_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
)

const day = 24 * time.Hour

// timed runs f where time stands still until f sleeps.
func timed(t *testing.T, change func(*sessions.Options), f func(t *testing.T, v *visitor, store *spy)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		m := newManager(t, store, func(o *sessions.Options) {
			o.IdleTimeout, o.Lifetime, o.TouchInterval = time.Hour, 10*time.Hour, time.Minute
			if change != nil {
				change(o)
			}
		})
		v := loggedIn(t, m)
		store.reset(nil)
		f(t, v, store)
	})
}

func nothing(*sessions.Session) {}

func TestIdleLimitToTheInstant(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, _ *spy) {
		time.Sleep(time.Hour - 1)
		if !v.alive() {
			t.Error("dead a nanosecond before the idle timeout")
		}
		time.Sleep(time.Nanosecond)
		if v.alive() {
			t.Error("alive at the idle timeout")
		}
		if got := value(v, count); got != 0 {
			t.Error("a request still sees the data")
		}
	})
}

func TestAbsoluteLimitToTheInstant(t *testing.T) {
	t.Parallel()
	for what, busy := range map[string]func(*sessions.Session){
		"reading":      nothing,
		"touching":     touch,
		"writing":      func(s *sessions.Session) { count.Update(s, func(n int) int { return n + 1 }) },
		"regenerating": func(s *sessions.Session) { s.Regenerate() },
		"logging out":  func(s *sessions.Session) { s.SetUser("") },
		"clearing":     func(s *sessions.Session) { s.Clear() },
		"remembering":  func(s *sessions.Session) { s.SetMaxAge(time.Duration(time.Now().UnixNano()%1000) * day) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			timed(t, nil, func(t *testing.T, v *visitor, _ *spy) {
				born := look(v, (*sessions.Session).CreatedAt)
				for range 14 {
					v.visit(busy)
					time.Sleep(40 * time.Minute)
				}
				v.visit(busy) // at 9:20
				time.Sleep(40*time.Minute - 1)
				if !v.alive() {
					t.Fatal("dead a nanosecond before the absolute limit")
				}
				if got := look(v, (*sessions.Session).CreatedAt); !got.Equal(born) {
					t.Errorf("CreatedAt moved by %v", got.Sub(born))
				}
				v.visit(busy)
				time.Sleep(time.Nanosecond)
				if v.alive() {
					t.Error("alive at the absolute limit")
				}
			})
		})
	}
}

func TestLoginRestartsTheAbsoluteLimit(t *testing.T) {
	t.Parallel()
	for what, renew := range map[string]func(*sessions.Session){
		"a login":      func(s *sessions.Session) { s.SetUser("ann") },
		"another user": func(s *sessions.Session) { s.Regenerate(); s.SetUser("bob") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			timed(t, func(o *sessions.Options) { o.IdleTimeout = o.Lifetime }, func(t *testing.T, v *visitor, _ *spy) {
				born := look(v, (*sessions.Session).CreatedAt)
				time.Sleep(9 * time.Hour)
				v.visit(renew)
				start := time.Now()
				if got := look(v, (*sessions.Session).AuthenticatedAt); !got.Equal(start) {
					t.Errorf("AuthenticatedAt is %v off", got.Sub(start))
				}
				if got := look(v, (*sessions.Session).CreatedAt); !got.Equal(born) {
					t.Errorf("CreatedAt moved by %v", got.Sub(born))
				}
				time.Sleep(10*time.Hour - 1)
				if !v.alive() {
					t.Error("dead before its own absolute limit")
				}
				time.Sleep(time.Nanosecond)
				if v.alive() {
					t.Error("alive at its absolute limit")
				}
			})
		})
	}
}

func TestTouchesAreThrottled(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, store *spy) {
		for range 1000 { // within one interval
			time.Sleep(time.Minute / 1001)
			v.visit(nothing)
		}
		if n := store.count("touch", "save"); n != 0 {
			t.Errorf("%d writes within the first interval", n)
		}
		for range 2000 { // over two more
			time.Sleep(time.Minute/1000 + 1)
			v.visit(nothing)
		}
		if n := store.count("touch"); n != 2 || store.count("save", "renew") != 0 {
			t.Errorf("%d touches and %d saves over two intervals, want 2 and 0", n, store.count("save", "renew"))
		}
	})
}

// A session may end early by the interval, not more, and never late.
func TestARequestMovesTheIdleLimit(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, _ *spy) {
		for range 8 {
			time.Sleep(time.Hour - time.Minute)
			v.visit(nothing)
		}
		time.Sleep(time.Hour - 1)
		if !v.alive() {
			t.Error("dead although requests kept coming")
		}
		time.Sleep(time.Nanosecond)
		if v.alive() {
			t.Error("alive an idle timeout after the last request")
		}
	})
}

func TestTouchIgnoresTheThrottle(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, store *spy) {
		time.Sleep(time.Second)
		v.visit(touch)
		if n := store.count("touch"); n != 1 {
			t.Errorf("%d touches, want 1", n)
		}
		time.Sleep(time.Hour - 1)
		if !v.alive() {
			t.Error("dead before the limit that Touch moved")
		}
	})
}

// The expiry can't move any more, and the store still notes when the session was used.
func TestWithoutAnIdleTimeoutUseIsNotedAllTheSame(t *testing.T) {
	t.Parallel()
	timed(t, func(o *sessions.Options) { o.IdleTimeout = o.Lifetime }, func(t *testing.T, v *visitor, store *spy) {
		for range 9 {
			time.Sleep(time.Hour)
			v.visit(nothing)
			v.visit(nothing)
		}
		if n := store.count("touch", "save"); n != 9 {
			t.Errorf("%d writes, want one an hour", n)
		}
		s := sessionOf(t, v)
		time.Sleep(30 * time.Second)
		if ago := look(v, func(s *sessions.Session) time.Duration { return time.Since(s.LastSeenAt()) }); ago != 30*time.Second {
			t.Errorf("last seen %v ago", ago)
		}
		time.Sleep(30 * time.Second)
		if err := s.Save(t.Context()); err != nil || store.count("touch") != 10 {
			t.Errorf("%d touches after a minute in a long request: %v", store.count("touch"), err)
		}
	})
}

func TestRememberMe(t *testing.T) {
	t.Parallel()
	timed(t, func(o *sessions.Options) { o.Lifetime = 40 * day }, func(t *testing.T, v *visitor, _ *spy) {
		res := v.visit(func(s *sessions.Session) { s.SetMaxAge(14*day - time.Second/2) })
		if c := ours(t, res); c == nil || c.MaxAge != 14*86400 {
			t.Fatalf("cookie %v, want Max-Age 14 days", c)
		}
		if got := look(v, func(s *sessions.Session) time.Duration { return time.Until(s.ExpiresAt()) }); got != 14*day {
			t.Errorf("ExpiresAt is in %v", got)
		}
		time.Sleep(14*day - 1)
		if !v.alive() {
			t.Fatal("dead before what the browser was told")
		}
		if c := ours(t, v.visit(nothing)); c == nil || c.MaxAge != 14*86400 || c.Value != v.cookie {
			t.Errorf("the expiry moved, the cookie that came is %v", c)
		}
		time.Sleep(30 * time.Second)
		if c := ours(t, v.visit(nothing)); c != nil {
			t.Errorf("the expiry did not move, and a cookie came: %v", c)
		}
		v.visit(func(s *sessions.Session) { s.Clear(); s.SetUser("ann") })
		if c := v.visit(func(s *sessions.Session) { s.Regenerate() }); ours(t, c) == nil || ours(t, c).MaxAge != 14*86400 {
			t.Errorf("the cookie after Clear and a login is %v", ours(t, c))
		}
		res = v.visit(func(s *sessions.Session) { s.SetMaxAge(0) })
		if c := ours(t, res); c == nil || c.MaxAge != 0 {
			t.Errorf("cookie %v, want one until the browser ends", c)
		}
		time.Sleep(time.Hour)
		if v.alive() {
			t.Error("alive past IdleTimeout when nobody is to be remembered any more")
		}
	})
}

func TestRememberMeEndsAtTheLifetime(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, _ *spy) {
		res := v.visit(func(s *sessions.Session) { s.SetMaxAge(1000 * day) })
		if c := ours(t, res); c == nil || c.MaxAge != 10*3600 {
			t.Errorf("cookie %v, want Max-Age cut at the absolute limit", c)
		}
		time.Sleep(10*time.Hour - 1)
		if !v.alive() {
			t.Error("dead before the absolute limit")
		}
		time.Sleep(time.Nanosecond)
		if v.alive() {
			t.Error("alive at the absolute limit")
		}
	})
}

func TestSetMaxAgeOverridesTheOption(t *testing.T) {
	t.Parallel()
	timed(t, func(o *sessions.Options) { o.Cookie.MaxAge = 2 * time.Hour }, func(t *testing.T, v *visitor, store *spy) {
		for _, c := range []struct {
			set    time.Duration
			maxAge int
			saves  int
		}{{2 * time.Hour, 0, 0}, {0, 0, 1}, {-5, 0, 0}, {time.Minute, 60, 1}} {
			store.reset(nil)
			res := v.visit(func(s *sessions.Session) { s.SetMaxAge(c.set) })
			cookie := ours(t, res)
			if n := store.count("save"); n != c.saves || (cookie != nil) != (c.saves == 1) || cookie != nil && cookie.MaxAge != c.maxAge {
				t.Errorf("SetMaxAge(%v): %d saves, cookie %v; want %d and Max-Age %d", c.set, n, cookie, c.saves, c.maxAge)
			}
		}
		time.Sleep(time.Hour - 1)
		if !v.alive() {
			t.Error("a MaxAge below IdleTimeout made the session end earlier")
		}
	})
}

func TestAnExpiredSessionIsNotBroughtBackBySlowRequests(t *testing.T) {
	t.Parallel()
	for what, f := range slowRequests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			timed(t, nil, func(t *testing.T, v *visitor, _ *spy) {
				old := v.twin()
				res := v.visit(func(s *sessions.Session) {
					time.Sleep(time.Hour)
					f(s)
				})
				wantStatus(t, res, 409)
				if old.alive() {
					t.Error("the id works again")
				}
				wantRows(t, v.manager, 0)
			})
		})
	}
}

// A save and an explicit Touch move the expiry in the store, so that no touch is
// due; the cookie that the browser keeps by its own clock must follow all the same.
func TestCookieIsSentAgainWhenASaveMovesTheExpiry(t *testing.T) {
	t.Parallel()
	for what, busy := range map[string]func(*sessions.Session){
		"Set":   func(s *sessions.Session) { count.Update(s, func(n int) int { return n + 1 }) },
		"Touch": touch,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			timed(t, func(o *sessions.Options) { o.Cookie.MaxAge = time.Hour }, func(t *testing.T, v *visitor, _ *spy) {
				browserDrops := time.Now().Add(time.Hour)
				for range 240 { // one request each 30 seconds, for two hours
					time.Sleep(30 * time.Second)
					if !time.Now().Before(browserDrops) {
						t.Fatal("the browser has dropped the cookie of a session in use")
					}
					if c := ours(t, v.visit(busy)); c != nil {
						browserDrops = time.Now().Add(time.Duration(c.MaxAge) * time.Second)
					}
				}
			})
		})
	}
}

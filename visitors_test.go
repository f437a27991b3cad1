package sessions_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
)

// visiting is timed with 10 minutes for sessions without a user, and 1 hour for others.
func visiting(t *testing.T, change func(*sessions.Options), f func(t *testing.T, v *visitor, store *spy)) {
	t.Helper()
	timed(t, func(o *sessions.Options) {
		o.AnonymousTimeout = 10 * time.Minute
		if change != nil {
			change(o)
		}
	}, f)
}

// lives checks that the visitor's session lives for d from now if it is not used, and says so.
func (v *visitor) lives(what string, d time.Duration) {
	v.tb.Helper()
	s, err := v.manager.Load(v.tb.Context(), v.cookie)
	if err != nil {
		v.tb.Errorf("%s: %v", what, err)
		return
	}
	if left := time.Until(s.ExpiresAt()); left != d {
		v.tb.Errorf("%s: ExpiresAt is in %v, want %v", what, left, d)
	}
	time.Sleep(d - 1)
	if !v.alive() {
		v.tb.Errorf("%s: dead before %v", what, d)
	}
	if n, err := v.manager.Count(v.tb.Context()); n != 1 || err != nil {
		v.tb.Errorf("%s: %d are counted, %v", what, n, err)
	}
	time.Sleep(time.Nanosecond)
	if v.alive() {
		v.tb.Errorf("%s: alive after %v", what, d)
	}
	wantRows(v.tb, v.manager, 0)
	for range v.manager.All(v.tb.Context()) {
		v.tb.Errorf("%s: it is listed when it is over", what)
	}
}

func TestAVisitorsSessionEndsSooner(t *testing.T) {
	t.Parallel()
	bump := func(s *sessions.Session) { count.Update(s, func(n int) int { return n + 1 }) }
	for what, c := range map[string]struct {
		use  func(*sessions.Session)
		want time.Duration
	}{
		"a new one":      {nil, 10 * time.Minute},
		"reading":        {nothing, 10 * time.Minute},
		"touching":       {touch, 10 * time.Minute},
		"writing":        {bump, 10 * time.Minute},
		"a new token":    {(*sessions.Session).Regenerate, 10 * time.Minute},
		"remembering":    {func(s *sessions.Session) { s.SetMaxAge(5 * time.Hour) }, 10 * time.Minute},
		"signing in":     {signIn, time.Hour},
		"signing out":    {func(s *sessions.Session) { signIn(s); s.SetUser(""); bump(s) }, 10 * time.Minute},
		"another user":   {func(s *sessions.Session) { signIn(s); s.SetUser("bob") }, time.Hour},
		"starting again": {func(s *sessions.Session) { s.Destroy(); bump(s) }, 10 * time.Minute},
		"remembering, and signing in": {func(s *sessions.Session) {
			s.SetMaxAge(5 * time.Hour)
			signIn(s)
		}, 5 * time.Hour},
	} {
		visiting(t, nil, func(_ *testing.T, v *visitor, _ *spy) {
			if c.use != nil {
				for range 3 { // it is in use for longer than its timeout
					time.Sleep(9 * time.Minute)
					v.visit(nothing)
				}
				time.Sleep(9 * time.Minute)
				v.visit(c.use)
			}
			v.lives(what, c.want)
		})
	}
}

// What a request says of the session that it makes, or signs in, is what the store then does.
func TestASessionSaysWhenItEnds(t *testing.T) {
	t.Parallel()
	for want, change := range map[time.Duration]func(*sessions.Session){
		10 * time.Minute: func(s *sessions.Session) { s.SetMaxAge(2 * time.Hour) },
		2 * time.Hour:    func(s *sessions.Session) { s.SetMaxAge(2 * time.Hour); signIn(s) },
		time.Hour:        signIn,
	} {
		visiting(t, nil, func(t *testing.T, v *visitor, _ *spy) {
			v.visit((*sessions.Session).Destroy)
			if want == time.Hour { // a sign-in to a session that is there
				v.visit(func(s *sessions.Session) { count.Set(s, 2) })
				time.Sleep(time.Minute)
			}
			v.visit(func(s *sessions.Session) {
				change(s)
				count.Set(s, 1)
				for _, when := range []string{"before", "after"} {
					if left := time.Until(s.ExpiresAt()); left != want {
						t.Errorf("%s the save ExpiresAt is in %v, want %v", when, left, want)
					}
					if err := s.Save(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			})
			v.lives("as it said", want)
		})
	}
}

// The browser keeps a visitor's cookie no longer than the session lives, and a user's for as
// long as it was told to.
func TestTheCookieOfAVisitorsSession(t *testing.T) {
	t.Parallel()
	remember := func(o *sessions.Options) { o.Cookie.MaxAge = 5 * time.Hour }
	visiting(t, remember, func(t *testing.T, v *visitor, _ *spy) {
		wantAge := func(what string, res *http.Response, want time.Duration) {
			t.Helper()
			if c := ours(t, res); c == nil || time.Duration(c.MaxAge)*time.Second != want {
				t.Errorf("%s: cookie %v, want a MaxAge of %v", what, c, want)
			}
		}
		wantAge("a new session", newVisitor(t, v.manager).visit(func(s *sessions.Session) { count.Set(s, 1) }), 10*time.Minute)
		time.Sleep(5 * time.Minute)
		wantAge("its use", v.visit(nothing), 10*time.Minute)
		wantAge("a sign-in", v.visit(signIn), 5*time.Hour)
		time.Sleep(8 * time.Hour)
		if v.alive() {
			t.Error("alive after its MaxAge")
		}
	})
	visiting(t, remember, func(t *testing.T, v *visitor, _ *spy) {
		for range 65 {
			time.Sleep(9 * time.Minute)
			v.visit(nothing)
		}
		if c := ours(t, v.visit(func(s *sessions.Session) { count.Set(s, 2) })); c == nil || c.MaxAge != 10*60 {
			t.Errorf("a quarter of an hour before its Lifetime the cookie is %v", c)
		}
		time.Sleep(9 * time.Minute)
		if c := ours(t, v.visit(func(s *sessions.Session) { count.Set(s, 3) })); c == nil || c.MaxAge != 6*60 {
			t.Errorf("6 minutes before its Lifetime the cookie is %v", c)
		}
	})
}

func TestAVisitorsSessionIsTouchedOnceAnInterval(t *testing.T) {
	t.Parallel()
	for interval, want := range map[time.Duration]int{0: 30, 5 * time.Minute: 6, -1: 180} {
		visiting(t, func(o *sessions.Options) { o.TouchInterval = interval }, func(t *testing.T, v *visitor, store *spy) {
			for range 180 { // for half an hour
				time.Sleep(10 * time.Second)
				v.visit(nothing)
			}
			if n := store.count("touch"); n != want {
				t.Errorf("TouchInterval %v: %d touches, want %d", interval, n, want)
			}
		})
	}
}

// Rotation by age leaves the timeout alone, and so does a session that code without a request
// uses for longer than that.
func TestAVisitorsSessionThatIsRotatedOrLoaded(t *testing.T) {
	t.Parallel()
	visiting(t, func(o *sessions.Options) { o.RotateAfter = 2 * time.Minute }, func(t *testing.T, v *visitor, store *spy) {
		for range 10 {
			time.Sleep(5 * time.Minute)
			v.visit(nothing)
		}
		if n := store.count("renew"); n != 10 {
			t.Errorf("%d rotations", n)
		}
		v.lives("rotated", 10*time.Minute)
	})
	visiting(t, nil, func(t *testing.T, v *visitor, _ *spy) {
		s := sessionOf(t, v)
		for range 10 {
			time.Sleep(5 * time.Minute)
			if err := s.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		v.lives("loaded", 10*time.Minute)
	})
}

// A request of the visitor that ends after the sign-in does not cut the user's session short.
func TestAVisitorsRequestBesideASignIn(t *testing.T) {
	t.Parallel()
	for what, late := range map[string]func(*sessions.Session){
		"reads":   nothing,
		"touches": touch,
		"writes":  func(s *sessions.Session) { count.Set(s, 7) },
	} {
		visiting(t, func(o *sessions.Options) { o.RotateAfter = time.Minute }, func(_ *testing.T, v *visitor, _ *spy) {
			time.Sleep(5 * time.Minute)
			v.twin().visit(func(s *sessions.Session) {
				v.visit(signIn)
				late(s)
			})
			v.lives(what, time.Hour)
		})
	}
}

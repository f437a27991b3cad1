package sessions_test

import (
	"context"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

// What a session in use for hours knows of its row is hours old.

func TestALoadedSessionIsKeptAlive(t *testing.T) {
	t.Parallel()
	for what, use := range map[string]func(*sessions.Session) error{
		"Save":  func(s *sessions.Session) error { return s.Save(context.Background()) },
		"Touch": func(s *sessions.Session) error { return s.Touch(context.Background()) },
		"Save of a change": func(s *sessions.Session) error {
			count.Update(s, func(n int) int { return n + 1 })
			return s.Save(context.Background())
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			timed(t, nil, func(t *testing.T, v *visitor, _ *spy) {
				s := sessionOf(t, v)
				for range 12 {
					time.Sleep(10 * time.Minute)
					if err := use(s); err != nil {
						t.Fatal(err)
					}
				}
				if left := time.Until(s.ExpiresAt()); left != time.Hour {
					t.Errorf("ExpiresAt is in %v", left)
				}
				if ago := time.Since(s.LastSeenAt()); ago != 0 {
					t.Errorf("last seen %v ago", ago)
				}
				time.Sleep(time.Hour - 1)
				if !v.alive() {
					t.Error("dead before its idle timeout")
				}
			})
		})
	}
}

func TestALoadedSessionIsTouchedOnceAnInterval(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, store *spy) {
		s := sessionOf(t, v)
		for range 600 {
			time.Sleep(time.Second)
			if err := s.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := store.count("touch"); n != 10 {
			t.Errorf("%d touches in ten minutes", n)
		}
	})
}

func TestExpiresAtStaysWhereItIs(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, _ *spy) {
		end := time.Now().Add(time.Hour)
		s := sessionOf(t, v)
		loggedIn(t, v.manager)
		var listed *sessions.Session
		for each, err := range v.manager.All(t.Context()) {
			if time.Sleep(time.Minute); err != nil {
				t.Fatal(err)
			}
			listed = each
		}
		for range 10 {
			time.Sleep(5 * time.Minute)
			for _, s := range []*sessions.Session{s, listed} {
				if got := s.ExpiresAt(); !got.Equal(end) {
					t.Errorf("ExpiresAt moved by %v", got.Sub(end))
				}
			}
		}
		time.Sleep(7 * time.Minute) // the absolute limit, from here on
		for range 9 {
			touch(s)
			time.Sleep(59 * time.Minute)
		}
		touch(s)
		if left := time.Until(s.ExpiresAt()); left != 10*time.Hour-59*time.Minute*10 {
			t.Errorf("the absolute limit is in %v", left)
		}
	})
}

func TestTheAgeOfASignInGrowsInALongRequest(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, _ *spy) {
		v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		within := func(s *sessions.Session, want bool) {
			t.Helper()
			if got := s.AuthenticatedWithin(10 * time.Minute); got != want {
				t.Errorf("AuthenticatedWithin(10 minutes) is %v", got)
			}
		}
		v.visit(func(s *sessions.Session) {
			time.Sleep(9 * time.Minute)
			within(s, true)
			time.Sleep(time.Minute)
			within(s, false)
			s.SetUser("ann")
			if err := s.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			within(s, true)
			time.Sleep(10 * time.Minute)
			within(s, false)
		})
	})
}

// A new token goes with the header alone: before that the browser has the old one only.
func TestATokenIsRotatedByItsAgeAtTheEndOfALongRequest(t *testing.T) {
	t.Parallel()
	for _, panics := range []bool{false, true} {
		timed(t, func(o *sessions.Options) { o.RotateAfter = 30 * time.Minute }, func(t *testing.T, v *visitor, store *spy) {
			func() {
				defer func() { _ = recover() }()
				v.visit(func(s *sessions.Session) {
					for i := range 13 {
						time.Sleep(5 * time.Minute)
						count.Set(s, i)
						if err := s.Save(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					if n := store.count("renew"); n != 0 {
						t.Errorf("%d new tokens before the header", n)
					}
					if panics {
						panic("after a Save")
					}
				})
			}()
			if n := store.count("renew"); (n == 1) == panics || n > 1 {
				t.Errorf("panic %v: %d new tokens", panics, n)
			}
			time.Sleep(time.Minute)
			if !v.alive() {
				t.Errorf("panic %v: the browser's token is dead", panics)
			}
		})
	}
}

// forgetful is a store that does not note when a row was used, as those of package express.
type forgetful struct{ *spy }

func (f forgetful) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	row, err := f.spy.Load(ctx, ref)
	row.LastSeenAt, row.LastSeenAge = time.Time{}, 0
	return row, err
}

func TestLastSeenAt(t *testing.T) {
	t.Parallel()
	timed(t, nil, func(t *testing.T, v *visitor, store *spy) {
		unaware := newManager(t, forgetful{store}, func(o *sessions.Options) {
			o.IdleTimeout, o.Lifetime, o.TouchInterval = time.Hour, 10*time.Hour, time.Minute
		})
		seen := time.Now()
		for _, pause := range []time.Duration{0, 30 * time.Second, 40 * time.Minute} {
			time.Sleep(pause)
			for what, m := range map[string]*sessions.Manager{"known": v.manager, "derived": unaware} {
				v := &visitor{t, m, v.cookie}
				s := sessionOf(t, v)
				time.Sleep(time.Second)
				if got := s.LastSeenAt(); !got.Equal(seen) {
					t.Errorf("%s, after %v: it is %v off", what, pause, got.Sub(seen))
				}
			}
		}
		v.visit(nothing)
		if ago := look(v, func(s *sessions.Session) time.Duration { return time.Since(s.LastSeenAt()) }); ago != 0 {
			t.Errorf("last seen %v ago", ago)
		}
		newVisitor(t, v.manager).visit(func(s *sessions.Session) {
			if ago := time.Since(s.LastSeenAt()); ago != 0 {
				t.Errorf("a new session was last seen %v ago", ago)
			}
		})
	})
}

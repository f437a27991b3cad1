package sessions_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// Why a session ended is told to requests that were running, and to those that come later.
func TestReasons(t *testing.T) {
	t.Parallel()
	for want, end := range map[sessions.Reason]func(*testing.T, *visitor){
		sessions.ReasonLogout: func(_ *testing.T, v *visitor) { v.visit(func(s *sessions.Session) { s.Destroy() }) },
		sessions.ReasonRevoked: func(t *testing.T, v *visitor) {
			if err := v.manager.Revoke(t.Context(), "ann", id(v)); err != nil {
				t.Error(err)
			}
		},
		sessions.ReasonRevokedUser: func(t *testing.T, v *visitor) {
			if _, err := v.manager.RevokeUser(t.Context(), "ann"); err != nil {
				t.Error(err)
			}
		},
		sessions.ReasonIdle:     func(*testing.T, *visitor) { time.Sleep(25 * time.Hour) },
		sessions.ReasonLifetime: nil,
		sessions.ReasonEvicted: func(t *testing.T, v *visitor) {
			time.Sleep(time.Second)
			wantStatus(t, newVisitor(t, v.manager).visit(func(s *sessions.Session) { s.SetUser("ann") }), http.StatusOK)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var got error
			m := newManager(t, memstore.New(), func(o *sessions.Options) {
				o.MaxPerUser = 1
				o.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, err error) { got = err }
			})
			v := newVisitor(t, m)
			v.visit(func(s *sessions.Session) { s.SetUser("ann") })
			if end == nil {
				end = func(*testing.T, *visitor) {
					for range 31 * 2 {
						time.Sleep(12 * time.Hour)
						v.visit(func(*sessions.Session) {})
					}
				}
			}
			other, late := v.twin(), v.twin()
			late.visit(func(s *sessions.Session) {
				end(t, other)
				count.Set(s, 2)
			})
			var ended *sessions.EndedError
			if !errors.As(got, &ended) || ended.Reason != want || !errors.Is(got, sessions.ErrEnded) {
				t.Errorf("%s: a request that was running got %v", want, got)
			}
			if got := reason(v); got != want {
				t.Errorf("%s: one that came later was told %q", want, got)
			}
		})
	}
}

func TestEndedReasonOfWhatHasNotEnded(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	old := v.twin()
	v.visit(func(s *sessions.Session) { s.Regenerate() })
	forged := newVisitor(t, m)
	forged.cookie = "forged"
	unknown := loggedIn(t, newManager(t, memstore.New()))
	unknown.manager = m
	for what, v := range map[string]*visitor{"live": v, "replaced": old, "new": newVisitor(t, m), "forged": forged, "unknown": unknown} {
		if got := reason(v); got != "" {
			t.Errorf("%s: %q", what, got)
		}
	}
}

func TestKeepEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		m := newManager(t, store, func(o *sessions.Options) { o.KeepEnded = time.Hour })
		v := loggedIn(t, m)
		old := v.twin()
		v.visit(func(s *sessions.Session) { s.Destroy() })
		reaper := &sessions.Reaper{Store: store}
		for _, want := range []sessions.Reason{sessions.ReasonLogout, ""} {
			if _, err := reaper.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := reason(old); got != want {
				t.Errorf("the reason is %q, want %q", got, want)
			}
			time.Sleep(4 * time.Hour)
		}
	})
}

func TestSaveTouchAndReloadSayWhyTheSessionEnded(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	other := v.twin()
	v.visit(func(s *sessions.Session) {
		other.visit(func(s *sessions.Session) { s.Destroy() })
		count.Set(s, 9)
		for what, err := range map[string]error{
			"Save": s.Save(t.Context()), "Touch": s.Touch(t.Context()), "Reload": s.Reload(t.Context()),
		} {
			var ended *sessions.EndedError
			if !errors.As(err, &ended) || ended.Reason != sessions.ReasonLogout {
				t.Errorf("%s returns %v", what, err)
			}
		}
		s.Discard()
	})
	// A new token ends nothing.
	v = loggedIn(t, m)
	other = v.twin()
	v.visit(func(s *sessions.Session) {
		other.visit(func(s *sessions.Session) { s.Regenerate() })
		err := s.Touch(t.Context())
		if ended := (*sessions.EndedError)(nil); !errors.Is(err, sessions.ErrEnded) || errors.As(err, &ended) {
			t.Errorf("Touch beside a new token returns %v", err)
		}
	})
}

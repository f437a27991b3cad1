package sessions_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// lossySaves loses the answer to the next save, before or after it was carried out.
type lossySaves struct {
	sessions.Store
	before, after bool
}

func (l *lossySaves) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	if l.before {
		l.before = false
		return driver.SaveResult{}, errDown
	}
	result, err := l.Store.Save(ctx, req)
	if l.after {
		l.after = false
		return driver.SaveResult{}, errDown
	}
	return result, err
}

func increment(s *sessions.Session) { count.Update(s, func(n int) int { return n + 1 }) }

// The store can't tell whether it carried a save out. The changes are not made twice, and
// not lost where it certainly did not.
func TestASaveWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		lost  lossySaves
		first error // of Save
		again int   // what a second Save and the response make of it
		want  int
	}{
		{"carried out", lossySaves{after: true}, sessions.ErrUnavailable, http.StatusServiceUnavailable, 2},
		{"not carried out", lossySaves{before: true}, sessions.ErrUnavailable, http.StatusOK, 2},
	} {
		store := c.lost
		lost := [2]bool{store.before, store.after}
		store.Store, store.before, store.after = memstore.New(), false, false
		m := newManager(t, &store)
		v := loggedIn(t, m)
		res := v.visit(func(s *sessions.Session) {
			increment(s)
			store.before, store.after = lost[0], lost[1]
			if err := s.Save(t.Context()); !errors.Is(err, c.first) {
				t.Errorf("%s: Save returns %v", c.what, err)
			}
		})
		if res.StatusCode != c.again {
			t.Errorf("%s: status %d, want %d", c.what, res.StatusCode, c.again)
		}
		if got := value(v, count); got != c.want {
			t.Errorf("%s: count %d, want %d", c.what, got, c.want)
		}
		// Reload clears it up.
		wantStatus(t, v.visit(func(s *sessions.Session) {
			increment(s)
			store.before, store.after = lost[0], lost[1]
			_ = s.Save(t.Context())
			if err := s.Reload(t.Context()); err != nil {
				t.Error(err)
			}
			v.twin().visit(increment) // now it is certain that another request saved
			count.Set(s, 10)
		}), http.StatusOK)
		if got := value(v, count); got != 10 {
			t.Errorf("%s: after Reload count %d, want 10", c.what, got)
		}
	}
}

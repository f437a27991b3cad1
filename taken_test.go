package sessions_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// takenIDs says of the first IDs that other sessions have them.
type takenIDs struct {
	sessions.Store
	left  int
	asked []driver.Ref
}

func (s *takenIDs) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	s.asked = append(s.asked, req.Ref)
	if s.left > 0 {
		s.left--
		return driver.SaveResult{}, fmt.Errorf("store: create: %w", driver.ErrExists)
	}
	return s.Store.Create(ctx, req)
}

// A session whose ID is taken gets another token. If that goes on, it is an error, and no
// cookie is sent.
func TestATokenThatIsTaken(t *testing.T) {
	t.Parallel()
	for taken, want := range []int{http.StatusOK, http.StatusOK, http.StatusOK, http.StatusServiceUnavailable} {
		store := &takenIDs{Store: memstore.New(), left: taken}
		v := newVisitor(t, newManager(t, store))
		res := v.visit(func(s *sessions.Session) { count.Set(s, 7) })
		wantStatus(t, res, want)
		seen := map[driver.Ref]bool{}
		for _, ref := range store.asked {
			seen[ref] = true
		}
		if len(seen) != len(store.asked) || len(seen) != min(taken+1, 3) {
			t.Errorf("%d taken: %d tries under %d tokens", taken, len(store.asked), len(seen))
		}
		if (v.cookie != "") != (want == http.StatusOK) || v.cookie != "" && value(v, count) != 7 {
			t.Errorf("%d taken: the cookie %q", taken, v.cookie)
		}
	}
}

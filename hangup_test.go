package sessions_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// heldSaves lets saves wait until hold is closed.
type heldSaves struct {
	sessions.Store
	hold chan struct{}
}

func (h *heldSaves) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	if h.hold != nil {
		<-h.hold
	}
	return h.Store.Save(ctx, req)
}

// While a goroutine of the request saves, the client hangs up, and the response begins. It
// waits for that save, and then saves what was changed since.
func TestAHangUpBesideASaveLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &heldSaves{Store: memstore.New()}
		v := loggedIn(t, newManager(t, store))
		other := sessions.NewKey[int]("other")
		ctx, hangUp := context.WithCancel(t.Context())
		defer hangUp()
		h := v.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			store.hold = make(chan struct{})
			count.Set(s, 2)
			go func() {
				if err := s.Save(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait() // until that waits in the store
			other.Set(s, 3)
			hangUp()
			go func() {
				synctest.Wait() // until the response waits for that
				close(store.hold)
			}()
			_, _ = io.WriteString(w, "done")
		}))
		r := httptest.NewRequest(http.MethodGet, "http://example.com/", http.NoBody).WithContext(ctx)
		r.Header.Set("Cookie", cookieName+"="+v.cookie)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		wantStatus(t, w.Result(), http.StatusOK)
		if a, b := value(v, count), value(v, other); a != 2 || b != 3 {
			t.Errorf("stored are %d and %d, want 2 and 3", a, b)
		}
	})
}

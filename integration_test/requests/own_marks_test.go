package requests_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// beforeMarks runs one function before each statement that sets a mark, when the request has
// done all else that it does before.
type beforeMarks struct {
	sessions.Store
	do []func()
}

func (b *beforeMarks) EndAll(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
	if req.Mark.Number != 0 && req.After == "" && len(b.do) > 0 {
		next := b.do[0]
		b.do = b.do[1:]
		next()
	}
	return b.Store.EndAll(ctx, req)
}

// A request that revokes its user and signs the user in is not refused by its own mark, and is
// by that of any other request which came after it began: also one that it put its own over.
func TestOwnMarkHidesNoOtherRequests(t *testing.T) {
	const (
		none       = iota
		user       // another request revokes the user,
		everything // or everybody,
		others     // or the user but for the session of this request
	)
	for name, c := range map[string]struct {
		signedIn bool  // the session is the user's, and excepted
		revoke   []int // what comes before each of the request's own revocations
		want     int
	}{
		"reset the password":                   {false, []int{none}, http.StatusOK},
		"twice":                                {false, []int{none, none}, http.StatusOK},
		"and the user is revoked":              {false, []int{user}, http.StatusConflict},
		"twice, and before that":               {false, []int{user, none}, http.StatusConflict},
		"twice, and in between":                {false, []int{none, user}, http.StatusConflict},
		"and everybody is":                     {false, []int{everything}, http.StatusConflict},
		"change the password":                  {true, []int{none}, http.StatusOK},
		"which another one does too":           {true, []int{others}, http.StatusOK},
		"twice, and so does another one":       {true, []int{others, others}, http.StatusOK},
		"and then from another device":         {true, []int{others, user}, http.StatusConflict},
		"and before that from another device":  {true, []int{user, others}, http.StatusConflict},
		"reset it, and another one excepts it": {false, []int{others}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			testbed.Each(t, func(t *testing.T, b testbed.Backend) {
				tab := b.NewTable(t)
				manager := func(store sessions.Store) *sessions.Manager {
					m, err := sessions.New(store, sessions.Options{
						Secrets: [][]byte{testbed.Secret}, Cookie: sessions.CookieOptions{Secure: sessions.SecureAuto},
						Timeout: 20 * time.Second, Logger: slog.New(slog.DiscardHandler),
					})
					testbed.Check(t, err)
					return m
				}
				store := &beforeMarks{Store: tab.Store}
				here, other := manager(store), manager(tab.Store)
				var cookie *http.Cookie
				send := func(h http.HandlerFunc) int {
					r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
					if cookie != nil {
						r.AddCookie(cookie)
					}
					w := httptest.NewRecorder()
					here.Handler(h).ServeHTTP(w, r)
					for _, set := range w.Result().Cookies() {
						cookie = set
					}
					return w.Code
				}
				if c.signedIn {
					send(func(_ http.ResponseWriter, r *http.Request) { sessions.FromContext(r.Context()).SetUser("ann") })
				}
				_, err := other.RevokeUser(t.Context(), "bob")
				testbed.Check(t, err)
				got := send(func(_ http.ResponseWriter, r *http.Request) {
					s := sessions.FromContext(r.Context())
					var except []sessions.ID
					if c.signedIn {
						except = append(except, s.ID())
					}
					for _, what := range c.revoke {
						store.do = append(store.do, func() {
							var err error
							switch what {
							case user:
								_, err = other.RevokeUser(t.Context(), "ann")
							case everything:
								_, err = other.RevokeAll(t.Context())
							case others:
								_, err = other.RevokeUser(t.Context(), "ann", s.ID())
							}
							if err != nil {
								t.Error(err)
							}
						})
						if _, err := here.RevokeUser(r.Context(), "ann", except...); err != nil {
							t.Error(err)
						}
					}
					s.SetUser("ann")
				})
				if got != c.want {
					t.Errorf("status %d, want %d", got, c.want)
				}
				stats, err := tab.Store.Stats(t.Context())
				if live := stats.Live == 1; live != (c.want == http.StatusOK) || err != nil {
					t.Errorf("%d sessions are live, %v", stats.Live, err)
				}
			})
		})
	}
}

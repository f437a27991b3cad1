package requests_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/internal/uuid"
	"github.com/sqlsessions/sessions/migrations"
)

const maxPerUser = 5

// The phases of a round.
const (
	beforeRevocation int32 = iota
	duringRevocation
	afterRevocation
)

// A signIn is a request that signs a user in.
type signIn struct {
	sent    int32 // the phase before the request was sent
	entered int32 // the phase when its handler ran
	id      driver.ID
	status  int
	err     error // why it was refused
}

// A crush is an application that many sign in to at the same time.
type crush struct {
	*testbed.Table
	manager *sessions.Manager
	handler http.Handler
	phase   atomic.Int32
	entered atomic.Int32
	enough  chan struct{} // closed when many handlers have been entered
}

type signInKey struct{}

func signInOf(r *http.Request) *signIn { return r.Context().Value(signInKey{}).(*signIn) }

func newCrush(t *testing.T, tab *testbed.Table, limit int) *crush {
	t.Helper()
	c := &crush{Table: tab}
	var err error
	c.manager, err = sessions.New(tab.Store, sessions.Options{
		Secrets: [][]byte{testbed.Secret}, Cookie: sessions.CookieOptions{Secure: sessions.SecureAuto},
		MaxPerUser: limit, Timeout: 20 * time.Second, Logger: slog.New(slog.DiscardHandler),
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) { signInOf(r).err = err },
	})
	testbed.Check(t, err)
	c.handler = c.manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		signInOf(r).entered = c.phase.Load()
		if user := r.FormValue("u"); user != "" {
			if c.entered.Add(1) == crushed/5 {
				close(c.enough)
			}
			s.SetUser(user)
		} else {
			testbed.Value.Set(s, "cart")
		}
	}))
	return c
}

// send sends a request and returns it with the cookie from its answer.
func (c *crush) send(user string, cookie *http.Cookie) (*signIn, *http.Cookie) {
	in := &signIn{sent: c.phase.Load()}
	r := httptest.NewRequestWithContext(context.WithValue(context.Background(), signInKey{}, in), http.MethodGet, "/?u="+user, nil)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	in.status = w.Code
	for _, set := range w.Result().Cookies() {
		if set.MaxAge >= 0 {
			cookie = set
		}
	}
	return in, cookie
}

// crushed is how many sign in at the same time.
const crushed = 50

// round signs a user in many times, and returns the sign-ins. With revoke, some are sent
// before the user is revoked, some at the same time, and some after it.
func (c *crush) round(t *testing.T, user string, revoke bool) []*signIn {
	t.Helper()
	c.phase.Store(beforeRevocation)
	c.entered.Store(0)
	c.enough = make(chan struct{})
	cookies := make([]*http.Cookie, crushed)
	for i := range crushed / 5 { // each fifth is a visitor that has a session already
		_, cookies[i*5] = c.send("", nil)
	}
	ins := make([]*signIn, crushed)
	var all sync.WaitGroup
	start := func(from, to int) {
		for i := from; i < to; i++ {
			all.Go(func() {
				ins[i], cookies[i] = c.send(user, cookies[i])
				if ins[i].status == http.StatusOK {
					id, _ := testbed.CookieParts(t, cookies[i].Value)
					ins[i].id = driver.ID(uuid.Format(id))
				}
			})
		}
	}
	if !revoke {
		start(0, crushed)
		all.Wait()
		return ins
	}
	start(0, crushed*2/5)
	<-c.enough
	start(crushed*2/5, crushed*4/5)
	c.phase.Store(duringRevocation)
	_, err := c.manager.RevokeUser(t.Context(), user)
	c.phase.Store(afterRevocation)
	if err != nil {
		t.Errorf("revoke: %v", err)
	}
	start(crushed*4/5, crushed)
	all.Wait()
	return ins
}

// A tally counts over all rounds.
type tally struct {
	signedIn, revoked, evicted, refused, limited, unexplained, stalled, unavailable, live int
}

// judge compares what was answered with what is stored.
func (c *crush) judge(t *testing.T, user string, ins []*signIn, limit int, sum *tally) {
	t.Helper()
	var refs []driver.Ref
	byID := map[driver.ID]*signIn{}
	for _, in := range ins {
		var ended *sessions.EndedError
		switch {
		case in.status == http.StatusOK:
			refs = append(refs, driver.Ref{ID: in.id})
			byID[in.id] = in
			continue
		case in.status != http.StatusConflict:
			sum.unavailable++
			t.Errorf("%s: answered %d: %v", user, in.status, in.err)
		case !errors.As(in.err, &ended):
			sum.unexplained++
			if !errors.Is(in.err, sessions.ErrEnded) {
				t.Errorf("%s: refused: %v", user, in.err)
			}
		case ended.Reason == sessions.ReasonEvicted:
			sum.limited++
		case ended.Reason == sessions.ReasonRevokedUser && in.sent != afterRevocation && c.phase.Load() == afterRevocation:
			sum.refused++
		case ended.Reason == sessions.ReasonRevokedUser && in.sent == afterRevocation:
			sum.stalled++
		default:
			t.Errorf("%s: sent in phase %d, refused as %q", user, in.sent, ended.Reason)
		}
	}
	endings, err := c.Store.Endings(t.Context(), refs)
	testbed.Check(t, err)
	dead := map[driver.ID]string{}
	revoked := 0
	for _, e := range endings {
		dead[e.ID] = e.Reason
		switch sessions.Reason(e.Reason) {
		case sessions.ReasonRevokedUser:
			revoked++
			if byID[e.ID].sent == afterRevocation {
				t.Errorf("%s: a session that began after the revocation was ended by it", user)
			}
		case sessions.ReasonEvicted:
			sum.evicted++
		default:
			t.Errorf("%s: ended as %q", user, e.Reason)
		}
	}
	for id, in := range byID {
		if _, ok := dead[id]; !ok && in.entered == beforeRevocation && c.phase.Load() == afterRevocation {
			t.Errorf("%s: a session that began before the revocation is live", user)
		}
	}
	rows, err := c.Store.List(t.Context(), driver.ListRequest{User: user, Limit: 2 * crushed})
	testbed.Check(t, err)
	if alive := len(refs) - len(endings); len(rows) != alive {
		t.Errorf("%s: %d sessions are live, and %d that were answered 200", user, len(rows), alive)
	}
	want := len(refs) - revoked
	if limit > 0 {
		want = min(want, limit)
	}
	if len(rows) != want {
		t.Errorf("%s: %d sessions are live, want %d", user, len(rows), want)
	}
	sum.signedIn += len(refs)
	sum.revoked += revoked
	sum.live += len(rows)
}

// explained checks what the sign-ins and the rows say of why they ended.
func (c *crush) explained(t *testing.T, revoke bool, sum *tally) {
	t.Helper()
	var revoked int
	testbed.Check(t, c.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM "+c.Name+" WHERE ended_reason = 'revoked user'").Scan(&revoked))
	if revoked != 0 && !revoke {
		t.Errorf("%d sessions ended as revoked, and nothing was revoked", revoked)
	}
	if sum.unexplained != 0 {
		t.Errorf("%d sign-ins were refused without a reason", sum.unexplained)
	}
	// A pause between the store's answer and the comparison can refuse a sign-in that came
	// after the revocation, so it looks several times.
	if sum.stalled > sum.refused/10 {
		t.Errorf("%d sign-ins after the revocation were refused", sum.stalled)
	}
}

// However many sign in at the same time: a user has as many sessions as may be, and none that
// began before the user was revoked.
func TestManySignInsAtOnce(t *testing.T) {
	rounds := testbed.Times(4)
	for _, i := range []int{testbed.PGXPool, testbed.MySQL, testbed.SQLite} {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			for _, mode := range []struct {
				name   string
				limit  int
				revoke bool
			}{{"limit", maxPerUser, false}, {"revocation", 0, true}, {"both", maxPerUser, true}} {
				t.Run(mode.name, func(t *testing.T) {
					c := newCrush(t, b.NewTable(t), mode.limit)
					if b.Dialect == migrations.SQLite { // writers wait by polling
						c.DB.SetMaxOpenConns(4)
					}
					var sum tally
					for round := range rounds {
						user := fmt.Sprintf("user%d", round)
						ins := c.round(t, user, mode.revoke)
						c.judge(t, user, ins, mode.limit, &sum)
					}
					t.Logf("%d rounds of %d: %+v", rounds, crushed, sum)
					c.explained(t, mode.revoke, &sum)
				})
			}
		})
	}
}

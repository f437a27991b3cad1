package express_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/express/takeover"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A site is an application that moves from a table of Express to one of ours.
type site struct {
	t       *testing.T
	tab     *testbed.Table
	old     *foreign
	before  *sessions.Manager
	options sessions.Options
	from    takeover.From
}

func newSite(t *testing.T, b testbed.Backend) *site {
	t.Helper()
	s := &site{t: t, tab: b.NewTable(t)}
	s.old = foreignTable(t, s.tab.Conns).opened(t)
	s.options = sessions.Options{Secrets: [][]byte{[]byte("another secret of 32 bytes or more")}}
	s.before = s.express(s.old.store)
	s.from = takeover.From{Manager: s.before, Until: time.Now().Add(time.Hour), UserKey: "passport.user"}
	return s
}

func (s *site) express(store sessions.Store) *sessions.Manager {
	s.t.Helper()
	m, err := express.New(store, express.Options{Secrets: []string{"keyboard cat"}})
	testbed.Check(s.t, err)
	return m
}

func (s *site) manager() *sessions.Manager {
	s.t.Helper()
	m, err := takeover.New(s.tab.Store, s.options, s.from)
	testbed.Check(s.t, err)
	return m
}

// login makes an old session and returns its cookie.
func (s *site) login(user string) (cookie string) {
	s.t.Helper()
	_, cookies := visit(s.t, s.before, "", func(x *sessions.Session) {
		cart.Set(x, []string{user})
		passport.Set(x, map[string]any{"user": user})
	})
	return "connect.sid=" + cookies["connect.sid"]
}

// in reports whether a request with the cookie is the user's, and returns what to send next.
func (s *site) in(m *sessions.Manager, cookie, user string) (in bool, next string) {
	s.t.Helper()
	status, cookies := visit(s.t, m, cookie, func(x *sessions.Session) {
		items, _ := cart.Get(x)
		in = x.User() == user && len(items) > 0 && items[0] == user
	})
	if status != http.StatusOK {
		s.t.Errorf("status %d", status)
	}
	if own := cookies["__Host-session"]; own != "" {
		return in, "__Host-session=" + own
	}
	return in, cookie
}

// sidOf returns the session ID in a cookie of Express.
func sidOf(t *testing.T, cookie string) string {
	t.Helper()
	value, err := url.QueryUnescape(strings.TrimPrefix(cookie, "connect.sid="))
	testbed.Check(t, err)
	return value[len("s:"):strings.LastIndex(value, ".")]
}

// late saves the session as a request of Node does that loaded it before it moved.
func (s *site) late(cookie, user string) {
	s.t.Helper()
	s.old.set(s.t, sidOf(s.t, cookie), fmt.Sprintf(`{%s,"cart":[%q],"passport":{"user":%q},"late":1}`, expressCookie, user, user), time.Hour)
}

// A process of ours, whose calls of both stores have numbers.
type process struct {
	n, at int
	op    string
	do    func(call func() error) error
}

func (p *process) step(op string, call func() error) error {
	if p.n++; p.n == p.at {
		p.op = op
		return p.do(call)
	}
	return call()
}

type stepped struct {
	sessions.Store
	p *process
}

func (s stepped) Load(ctx context.Context, ref driver.Ref) (row driver.Row, err error) {
	err = s.p.step("load", func() (err error) { row, err = s.Store.Load(ctx, ref); return err })
	return row, err
}

func (s stepped) Create(ctx context.Context, req driver.CreateRequest) (result driver.SaveResult, err error) {
	err = s.p.step("create", func() (err error) { result, err = s.Store.Create(ctx, req); return err })
	return result, err
}

func (s stepped) Save(ctx context.Context, req driver.SaveRequest) (result driver.SaveResult, err error) {
	err = s.p.step("save", func() (err error) { result, err = s.Store.Save(ctx, req); return err })
	return result, err
}

func (s stepped) End(ctx context.Context, req driver.EndRequest) error {
	return s.p.step("end", func() error { return s.Store.End(ctx, req) })
}

func (s stepped) Marks(ctx context.Context, req driver.MarksRequest) (marks []driver.SetMark, err error) {
	err = s.p.step("marks", func() (err error) { marks, err = s.Store.Marks(ctx, req); return err })
	return marks, err
}

func (s stepped) Endings(ctx context.Context, refs []driver.Ref) (endings []driver.Ending, err error) {
	err = s.p.step("endings", func() (err error) { endings, err = s.Store.Endings(ctx, refs); return err })
	return endings, err
}

func (s stepped) List(ctx context.Context, req driver.ListRequest) (rows []driver.Row, err error) {
	err = s.p.step("list", func() (err error) { rows, err = s.Store.List(ctx, req); return err })
	return rows, err
}

var errLost = errors.New("the answer was lost")

// At each step of a take-over, and from an old session with or without a copy, something
// gets in between: afterwards the user is logged in as long as nothing ended the session, and
// if something did, nothing brings it back.
func TestExpressTakeOverStepByStep(t *testing.T) {
	for name, c := range map[string]struct {
		between func(s *site, cookie string, call func() error) error
		ends    bool
	}{
		"another request": {between: func(s *site, cookie string, call func() error) error {
			if in, _ := s.in(s.manager(), cookie, "42"); !in {
				s.t.Error("the other request is a visitor's")
			}
			return call()
		}},
		"a lost answer": {between: func(_ *site, _ string, call func() error) error {
			_ = call()
			return errLost
		}},
		"a crash": {between: func(*site, string, func() error) error { return errLost }},
		"a late save": {between: func(s *site, cookie string, call func() error) error {
			s.late(cookie, "42")
			return call()
		}},
		"an import": {between: func(s *site, _ string, call func() error) error {
			_, err := takeover.Import(s.t.Context(), s.manager(), nil)
			testbed.Check(s.t, err)
			return call()
		}},
		"a logout": {ends: true, between: func(s *site, cookie string, call func() error) error {
			visit(s.t, s.manager(), cookie, (*sessions.Session).Destroy)
			return call()
		}},
		"RevokeUser": {ends: true, between: func(s *site, _ string, call func() error) error {
			_, err := s.manager().RevokeUser(s.t.Context(), "42")
			testbed.Check(s.t, err)
			return call()
		}},
		"RevokeAll": {ends: true, between: func(s *site, _ string, call func() error) error {
			_, err := s.manager().RevokeAll(s.t.Context())
			testbed.Check(s.t, err)
			return call()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			eachTakeOver(t, func(t *testing.T, b testbed.Backend) {
				s := newSite(t, b)
				for _, copied := range []bool{false, true} {
					for at := 1; ; at++ {
						s.old.run(t, "DELETE FROM $TABLE")
						_, err := s.tab.DB.ExecContext(t.Context(), "DELETE FROM "+s.tab.Name) // marks too
						testbed.Check(t, err)
						cookie := s.login("42")
						if copied {
							_, err := takeover.Import(t.Context(), s.manager(), nil)
							testbed.Check(t, err)
						}
						p := &process{at: at, do: func(call func() error) error { return c.between(s, cookie, call) }}
						from := s.from
						from.Manager = s.express(stepped{s.old.store, p})
						m, err := takeover.New(stepped{s.tab.Store, p}, s.options, from)
						testbed.Check(t, err)
						visit(t, m, cookie, func(x *sessions.Session) {
							if !c.ends && x.User() != "42" {
								t.Errorf("step %d (%s), copied %v: the request is a visitor's", at, p.op, copied)
							}
						})
						if p.n < at {
							break
						}
						s.check(fmt.Sprintf("step %d (%s), copied %v", at, p.op, copied), cookie, !c.ends)
					}
				}
			})
		})
	}
}

// check looks whether the old cookie logs in, after all that could bring a session back.
func (s *site) check(when, cookie string, want bool) {
	s.t.Helper()
	look := func(after string) {
		s.t.Helper()
		if in, _ := s.in(s.manager(), cookie, "42"); in != want {
			s.t.Errorf("%s, %s: logged in %v, want %v", when, after, in, want)
		}
	}
	look("then")
	s.late(cookie, "42")
	look("after a late save")
	_, err := takeover.Import(s.t.Context(), s.manager(), nil)
	testbed.Check(s.t, err)
	look("after an import")
	s.from.ImportedOnly = true
	look("with ImportedOnly")
	s.from.ImportedOnly = false
	look("without it again")
}

// eachTakeOver runs a test on a server of each engine.
func eachTakeOver(t *testing.T, test func(t *testing.T, b testbed.Backend)) {
	t.Helper()
	for _, i := range []int{testbed.Postgres, testbed.MySQL} {
		t.Run(testbed.Backends[i].Name, func(t *testing.T) { test(t, testbed.Backends[i]) })
	}
}

// By the database's clock the old cookie opens the session for a minute after the new one was
// presented, and what ended is kept until Until, whatever the reaper does.
func TestExpressOldCookie(t *testing.T) {
	eachTakeOver(t, func(t *testing.T, b testbed.Backend) {
		s := newSite(t, b)
		s.from.Until = time.Now().Add(60 * 24 * time.Hour)
		m := s.manager()
		cookie := s.login("42")
		_, own := s.in(m, cookie, "42")
		for _, c := range []struct {
			older time.Duration
			own   bool
			want  bool
		}{{10 * time.Minute, false, true}, {10 * time.Minute, true, true}, {55 * time.Second, false, true}, {10 * time.Second, false, false}, {0, true, true}} {
			s.tab.Age(t, c.older)
			present := cookie
			if c.own {
				present = own
			}
			if in, _ := s.in(m, present, "42"); in != c.want {
				t.Errorf("%v later, own cookie %v: logged in %v", c.older, c.own, in)
			}
		}
		expires := s.login("42")
		s.in(m, expires, "42")
		visit(t, m, own, (*sessions.Session).Destroy)
		s.tab.Age(t, 20*24*time.Hour)
		for more := true; more; {
			result, err := s.tab.Store.Reap(t.Context(), driver.ReapRequest{Limit: 100})
			testbed.Check(t, err)
			more = result.More
		}
		s.check("after a logout and the reaper", cookie, false)
		s.check("after its timeout and the reaper", expires, false)
	})
}

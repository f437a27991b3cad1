package torture_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/takeover"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// What a browser is there for.
type temper int

const (
	stays   temper = iota // is never logged out
	signsIn               // nor is this one, but it signs in again
	leaves                // logs out, and signs in as another
	hunted                // is revoked
)

// A browser begins with a session of Express, which several of its tabs send at once.
type browser struct {
	temper
	express *lineage
	sid     string
	late    bool          // Node saves late; otherwise Node changes and deletes
	absent  bool          // until only copies count
	wakes   time.Duration // from the beginning of the trip

	mu      sync.Mutex
	now     string // the new cookie
	dropped bool   // the old one
	earlier []string
}

// A trip is a round: from a table of Express with sessions in it to ours.
type trip struct {
	*site
	seed     uint64
	browsers []*browser
	began    int64

	mu          sync.Mutex
	visits      []*visit
	lineages    map[string]*lineage
	revocations []revocation
}

// A visit is one request.
type visit struct {
	number       uint64
	of           *browser
	op           string
	user, births string // of a sign-in: who, and the name of the session that may begin
	cookie       string
	old, calm    bool

	call, ret   int64
	status      int
	seen, after *glimpse // when the handler began and when it ended; nil if it did not run
	token       string   // that the answer sets
	err         error
}

// A glimpse is a session as a handler sees it.
type glimpse struct {
	id          driver.ID
	user, birth string
	log         []tag
}

var (
	birthKey = sessions.NewKey[string]("birth")
	logKey   = sessions.NewKey[[]tag]("log")
)

func glance(s *sessions.Session) *glimpse {
	g := &glimpse{id: s.ID(), user: s.User()}
	g.birth, _ = birthKey.Get(s)
	g.log, _ = logKey.Get(s)
	return g
}

func (s *site) visitOf(r *http.Request) *visit {
	number, _ := strconv.ParseUint(r.Header.Get(numberHeader), 10, 64)
	v, _ := s.visits.Load(number)
	return v.(*visit)
}

func (s *site) serve(_ http.ResponseWriter, r *http.Request) {
	v, x := s.visitOf(r), sessions.FromContext(r.Context())
	v.seen = glance(x)
	add := func() {
		logKey.Update(x, func(log []tag) []tag { return append(slices.Clip(log), tag(v.number)) })
	}
	switch {
	case v.op == "add" && v.seen.birth != "":
		add()
	case v.op == "logout":
		x.Destroy()
	case v.op == "login":
		again := v.seen.birth != "" && v.seen.user == v.user
		x.SetUser(v.user)
		if !again {
			birthKey.Set(x, v.births)
		}
		add()
	}
	v.after = glance(x)
}

func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.visitOf(r).err = err
	sessions.DefaultErrorHandler(w, r, err)
}

// send sends a visit through a node and waits for the answer.
func (t *trip) send(m *mover, v *visit) *visit {
	v.number = requests.Add(1)
	v.births = fmt.Sprintf("%s+%d", v.of.express.name, v.number)
	t.site.visits.Store(v.number, v)
	t.mu.Lock()
	t.visits = append(t.visits, v)
	t.mu.Unlock()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, m.server.URL+"/", http.NoBody)
	if err != nil {
		t.Error(err)
		return v
	}
	req.Header.Set(numberHeader, utoa(v.number))
	if v.old {
		req.AddCookie(&http.Cookie{Name: expressName, Value: v.of.old()})
	}
	if v.cookie != "" {
		req.AddCookie(&http.Cookie{Name: cookieName, Value: v.cookie})
	}
	v.call = now()
	res, err := m.client.Do(req)
	if err != nil {
		t.Errorf("no answer: %v", err)
		v.ret = never
		return v
	}
	defer res.Body.Close()
	v.status, v.ret = res.StatusCode, now()
	v.of.takes(v, res.Header)
	return v
}

func (b *browser) old() string { return signed(b.sid) }

// takes keeps the cookies of an answer.
func (b *browser) takes(v *visit, h http.Header) {
	value, there := setCookie(h)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range h["Set-Cookie"] {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == expressName && c.Value == "" {
			b.dropped = true
		}
	}
	if there {
		v.token = value
		if b.now != "" && b.now != value {
			b.earlier = append(b.earlier, b.now)
		}
		b.now = value
	}
}

// next is what a browser sends next: its cookies, or others that it had.
func (b *browser) next(random *rand.Rand) *visit {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := &visit{of: b, cookie: b.now, old: !b.dropped, op: "read"}
	switch n := len(b.earlier); random.IntN(8) {
	case 0:
		v.cookie, v.old = "", true
	case 1:
		v.old = true
	case 2:
		if n > 0 {
			v.cookie, v.old = b.earlier[random.IntN(n)], random.IntN(2) == 0
		}
	}
	switch n := random.IntN(100); {
	case n < 50:
		v.op = "add"
	case n < 58 && b.temper == leaves:
		v.op = "logout"
	case n < 68 && (b.temper == leaves || b.temper == hunted), n < 54 && b.temper == signsIn:
		v.op, v.user = "login", b.express.user
		if b.temper == leaves && random.IntN(3) == 0 {
			v.user += "-other"
		}
	}
	return v
}

// tab is one of those of a browser.
func (t *trip) tab(ctx context.Context, b *browser, random *rand.Rand) {
	if !pause(ctx, b.wakes) {
		return
	}
	for ctx.Err() == nil {
		t.send(t.movers[random.IntN(len(t.movers))], b.next(random))
		pause(ctx, time.Duration(random.IntN(20))*time.Millisecond)
	}
}

// surelySend sends a visit until it is answered, which a slow machine may not do in time at once.
func (t *trip) surelySend(m *mover, v visit) (last *visit) {
	for try := range 10 {
		again := v
		again.calm = try == 9
		if last = t.send(m, &again); last.status == http.StatusOK {
			break
		}
	}
	return last
}

// looks sends what a browser has and had through each node, while all is calm.
func (t *trip) looks(absent, logout bool) {
	testbed.Parallel(4, func(worker int) {
		for i := worker; i < len(t.browsers); i += 4 {
			b := t.browsers[i]
			if b.absent && !absent {
				continue
			}
			values := append([]string{b.now}, b.earlier[max(0, len(b.earlier)-6):]...)
			for _, m := range t.movers {
				if v := t.surelySend(m, visit{of: b, op: "read", old: true}); values[0] == "" {
					values[0] = v.token
				}
				for _, value := range values {
					t.surelySend(m, visit{of: b, op: "read", cookie: value})
				}
			}
			if logout && i%2 == 0 && b.temper == leaves {
				t.surelySend(t.movers[0], visit{of: b, op: "logout", cookie: values[0], old: true})
			}
		}
	})
}

// imports copies until ctx ends, and is interrupted now and then.
func (t *trip) imports(ctx context.Context, random *rand.Rand) {
	for pause(ctx, time.Duration(random.IntN(100))*time.Millisecond) {
		patience := time.Second
		if random.IntN(3) > 0 {
			patience = time.Duration(1+random.IntN(60)) * time.Millisecond
		}
		some, cancel := context.WithTimeout(ctx, patience)
		_, _ = takeover.Import(some, t.copier.managers[false], nil)
		cancel()
	}
}

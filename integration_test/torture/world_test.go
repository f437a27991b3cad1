package torture_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/faultproxy"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
)

// A setup is how a world is made.
type setup struct {
	backends []int // of the nodes, as testbed numbers them
	limit    int   // MaxPerUser
	refuse   bool  // RefuseOverMax
	replay   bool  // EndOnReplay
	rotate   bool  // RotateAfter
	faults   bool
	crashes  bool // the server is killed, too
	short    bool // sessions expire by themselves
	timeout  time.Duration

	spoil func(w *world, n *node, s driver.Store) driver.Store // breaks a promise of a node's store
	wrap  func(http.Handler) http.Handler                      // or of its answers
	alter func(n *node, o *sessions.Options)
	rule  string // that is to see it, if it is not that there has to be an order
}

// A world is a database and the nodes on it.
type world struct {
	*testing.T
	setup
	admin  *testbed.Table  // beside the proxies
	server *servers.Server // of a world that crashes
	nodes  []*node
	now    atomic.Pointer[history]
	broken bool // so the last requests of a round need not succeed
	log    *watchedLog
}

// A node is a process of an application, as far as it shares nothing with the others but the
// database.
type node struct {
	world   *world
	number  int
	conns   *testbed.Conns
	proxy   *faultproxy.Proxy // or nil
	store   driver.Store
	manager *sessions.Manager
	server  *httptest.Server
	client  *http.Client

	mu      sync.Mutex
	records map[uint64]*record
}

func (n *node) h() *history { return n.world.now.Load() }

// pick is a random number that need not be repeatable.
func (n *node) pick(k int) int { return int(now() % int64(k)) }

func newWorld(t *testing.T, s setup) *world {
	t.Helper()
	w := &world{T: t, setup: s, log: &watchedLog{t: t}}
	w.now.Store(newHistory())
	w.admin = w.newTable(testbed.Backends[s.backends[0]])
	if w.faults && w.admin.Dialect != migrations.SQLite {
		w.mayRefuse()
	}
	if s.timeout == 0 {
		w.timeout = 10 * time.Second
	}
	for i, b := range s.backends {
		w.nodes = append(w.nodes, w.newNode(i, testbed.Backends[b]))
	}
	return w
}

// The nodes differ in how many connections they have.
var poolSizes = []int{4, 12, 8}

func (w *world) newNode(i int, b testbed.Backend) *node {
	n := &node{world: w, number: i, records: map[uint64]*record{}}
	address := w.admin.URL
	if w.faults && b.Dialect != migrations.SQLite {
		n.proxy = faultproxy.New(w, hostOf(w, address))
		n.proxy.Delay = 300 * time.Millisecond
		address = n.proxy.URL(w, address)
	}
	n.conns = b.ConnectSized(w, address, poolSizes[i%len(poolSizes)])
	n.store = n.open(i > 0)
	if w.spoil != nil {
		n.store = w.spoil(w, n, n.store)
	}
	n.store = watched{n.store}
	o := sessions.Options{
		Secrets: [][]byte{testbed.Secret}, Cookie: sessions.CookieOptions{Secure: sessions.SecureAuto},
		TouchInterval: time.Second, Timeout: w.timeout, MaxPerUser: w.limit, RefuseOverMax: w.refuse, WatchInterval: 100 * time.Millisecond, EndOnReplay: w.replay,
		Logger:       slog.New(slog.NewTextHandler(w.log, nil)),
		ErrorHandler: n.fail,
	}
	if w.rotate {
		o.RotateAfter = time.Minute
	}
	if w.short {
		o.IdleTimeout, o.Lifetime, o.TouchInterval = idleTimeout, absoluteLimit, touchInterval
	}
	if w.alter != nil {
		w.alter(n, &o)
	}
	var err error
	n.manager, err = sessions.New(n.store, o)
	testbed.Check(w, err)
	h := n.manager.Handler(http.HandlerFunc(n.serve))
	if w.wrap != nil {
		h = w.wrap(h)
	}
	n.server = httptest.NewUnstartedServer(n.outside(h))
	n.server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(w.log, nil), slog.LevelError)
	n.server.Start()
	w.Cleanup(n.server.Close)
	n.client = &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	w.Cleanup(n.client.CloseIdleConnections)
	return n
}

// open opens the backend's store, with each call by itself or not.
func (n *node) open(alone bool) (s driver.Store) {
	var err error
	name := n.world.admin.Name
	switch c := n.conns; {
	case c.Pool != nil:
		s, err = pgstore.NewPool(c.Pool).With(pgstore.Options{Table: name, OneByOne: alone})
	case c.Dialect == migrations.PostgreSQL:
		s, err = pgstore.New(c.DB).With(pgstore.Options{Table: name, OneByOne: alone})
	case c.Dialect == migrations.MySQL:
		s, err = mysqlstore.New(c.DB).With(mysqlstore.Options{Table: name, OneByOne: alone})
	default:
		s = c.OpenStore(n.world, name)
	}
	testbed.Check(n.world, err)
	return s
}

// underWay is for how long the network may keep a statement whose caller has given it up.
const underWay = int64(2 * time.Second)

const numberHeader = "Torture-Number"

// outside notes when a request comes and when all of it is over.
func (n *node) outside(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number, _ := strconv.ParseUint(r.Header.Get(numberHeader), 10, 64)
		n.mu.Lock()
		rec := n.records[number]
		if rec != nil {
			rec.in = now()
		}
		n.mu.Unlock()
		if rec == nil { // its client has left long ago
			panic(http.ErrAbortHandler)
		}
		whole := false
		defer func() {
			p := recover()
			if rec.out = now(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
				n.h().violationf("#%d (%s) panics: %v", rec.id, rec.script, p)
			}
			if rec.touched = rec.out; !whole || rec.finalErr != nil || rec.untouched {
				rec.touched += underWay // it may not have reached the server yet
			}
			if rec.late != nil && whole {
				rec.late.result, rec.late.ret = done, rec.out
			}
			if load := rec.load; load != nil && whole && rec.ran && rec.finalErr == nil && !rec.untouched && n.world.short {
				n.h().add(&event{kind: evUsed, session: rec.session, call: load.ret, ret: rec.out, from: rec, since: load.call, result: done})
			}
			n.mu.Lock()
			delete(n.records, number)
			n.mu.Unlock()
			if p != nil {
				panic(p)
			}
		}()
		next.ServeHTTP(w, withRecord(r, rec))
		whole = true
	})
}

// fail is the error handler of a node.
func (n *node) fail(w http.ResponseWriter, r *http.Request, err error) {
	rec := recordOf(r.Context())
	if rec.ran {
		rec.finalErr = err
	} else {
		rec.loadErr = err
	}
	sessions.DefaultErrorHandler(w, r, err)
}

// quiet waits until no request is under way, nor a statement that was cut off from its caller.
func (w *world) quiet() {
	w.Helper()
	testbed.Await(w, "no request is under way", func() bool {
		for _, n := range w.nodes {
			n.mu.Lock()
			busy := len(n.records)
			n.mu.Unlock()
			if busy > 0 {
				return false
			}
		}
		return true
	})
	for _, n := range w.nodes {
		if n.proxy != nil {
			n.proxy.Settle()
		}
	}
}

// idle checks that each node has its connections back.
func (w *world) idle() {
	w.Helper()
	for _, n := range w.nodes {
		inUse := func() int {
			if n.conns.Pool != nil {
				return int(n.conns.Pool.Stat().AcquiredConns())
			}
			return n.conns.DB.Stats().InUse
		}
		testbed.Await(w, fmt.Sprintf("node %d has its connections back", n.number), func() bool { return inUse() == 0 })
	}
}

// recover waits until each node answers, which it has to do by itself. A connection that was
// cut while nothing used it costs a request its answer.
func (w *world) recover() {
	w.Helper()
	for _, n := range w.nodes {
		for began := time.Now(); ; {
			var failed atomic.Pointer[error]
			testbed.Parallel(2*poolSizes[1], func(int) {
				ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
				defer cancel()
				_, err := n.store.Load(ctx, driver.Ref{ID: testbed.NewRow("").ID, Verifier: testbed.RandomVerifier()})
				if !isMissing(err) {
					failed.Store(&err)
				}
			})
			if failed.Load() == nil {
				break
			}
			if time.Since(began) > 30*time.Second {
				w.Fatalf("node %d does not recover: %v", n.number, *failed.Load())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// A watchedLog is what the nodes log. It must have no token in it.
type watchedLog struct {
	t     *testing.T
	mu    sync.Mutex
	last  bytes.Buffer
	lines int
}

// A token is longer than anything else in a log that looks like it.
var tokenText = regexp.MustCompile(`1[A-Za-z0-9_-]{64}`)

func (l *watchedLog) Write(p []byte) (int, error) {
	if found := tokenText.Find(p); found != nil {
		l.t.Errorf("the log holds a token: %s", p)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines++; l.last.Len() > 1<<20 {
		l.last.Next(l.last.Len() / 2)
	}
	return l.last.Write(p)
}

func (l *watchedLog) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.last.Bytes()
	return string(b[max(0, len(b)-n):])
}

func drain(r io.ReadCloser) error {
	defer r.Close()
	_, err := io.Copy(io.Discard, r)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

package faults_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A cell is one operation under one fault.
type cell struct {
	*testing.T
	op        *operation
	calm, app *testbed.App // on one table: without the fault, and with it
	name      string       // of its user
	user      *testbed.Browser
	other     *testbed.Browser // another of the user's
	before    *testbed.Browser // with the cookies from before the operation
	ctx       context.Context  // of operations that end with their context
	cancel    context.CancelFunc
	sentinel  error         // of package sessions, which errors wrap
	why       string        // which their texts have
	patience  time.Duration // from when the fault begins until ctx ends
	strike    func()        // called by the operation where the fault is to begin
	struck    bool
	eager     bool  // no request is sent again
	dead      bool  // the process was killed, and gave no answer
	hangsUp   bool  // the end of ctx is that of requests, too
	err       error // what the error handler was given last
	count     int   // of an operation's changes, before it
	rows      int   // that are not the operation's
}

// An outcome is what the caller of an operation was told.
type outcome struct {
	err    error
	status int // of a request, otherwise 0
	cookie bool
}

// What an operation may come to.
type verdict int

const (
	done     verdict = iota // answered, and carried out once
	refused                 // an error, and nothing was done
	unknown                 // an error, and it may have been carried out, once
	either                  // done or unknown
	shrugged                // answered, although nothing was done
)

// newCell returns an operation that is ready to run.
func newCell(t *testing.T, op *operation, direct, through *testbed.Table, timeout time.Duration) *cell {
	t.Helper()
	c := &cell{T: t, op: op, sentinel: sessions.ErrUnavailable, patience: timeout, strike: func() {}}
	adapt := func(o *sessions.Options) {
		if op.touches {
			o.TouchInterval = -1
		}
	}
	c.calm = testbed.NewApp(t, direct, adapt)
	c.app = testbed.NewApp(t, through, adapt, func(o *sessions.Options) {
		o.Timeout = timeout
		o.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, err error) { c.err = err } // and the default answers
	})
	c.app.Hook = func(*http.Request) { c.begins() }
	c.fill()
	return c
}

// fill makes what the operation is about.
func (c *cell) fill() {
	c.Helper()
	c.struck, c.err, c.before, c.name = false, nil, nil, strings.ToLower(rand.Text())
	c.ctx, c.cancel = context.WithCancel(c.Context())
	c.Cleanup(c.cancel)
	c.user, c.other = c.calm.Browser(c.T), c.calm.Browser(c.T)
	c.op.begin(c)
	c.before = c.user.Clone(c.calm)
	c.user.On(c.app)
	c.rows = c.calm.Rows(c.T)
}

func (c *cell) begins() {
	c.struck = true
	c.strike()
	timer := time.AfterFunc(c.patience, c.cancel)
	c.Cleanup(func() { timer.Stop() })
}

// fetch sends the operation's request, and again if it failed before the fault began,
// because the machine is slow.
func (c *cell) fetch(path string) outcome {
	for {
		var got testbed.Response
		if c.hangsUp {
			got = c.serve(path)
		} else {
			got = c.user.Fetch(path)
		}
		o := outcome{status: got.StatusCode, cookie: testbed.SetsCookie(got)}
		if got.StatusCode == http.StatusOK {
			return o
		}
		if o.err = c.err; o.err == nil {
			o.err = errors.New("the error handler was not called")
		}
		if c.struck || c.eager || c.hangsUp {
			return o
		}
	}
}

// direct is an operation without a request.
func (c *cell) direct(f func(ctx context.Context) error) outcome {
	c.begins()
	return outcome{err: f(c.ctx)}
}

// judge compares an outcome, and what has become of the session, with what is documented.
func (c *cell) judge(o outcome, want verdict) {
	c.Helper()
	if o.err != nil && !c.dead {
		c.refusal(o)
	}
	applied := c.op.applied(c, o.err == nil)
	if unexpected := o.err == nil && (want == refused || want == unknown) || o.err != nil && want == done; unexpected ||
		o.err == nil && applied != 1 || want == refused && applied != 0 || applied < 0 || applied > 1 {
		c.Errorf("answered %d, %v, with a cookie: %t, and carried out %d times; the log:\n%s", o.status, o.err, o.cookie, applied, c.app.Log)
	}
	c.invariants()
}

// refusal makes sure that the user is told the right thing: that the outcome is not known,
// and no cookie with it.
func (c *cell) refusal(o outcome) {
	c.Helper()
	if !c.op.foreign && (!errors.Is(o.err, c.sentinel) || !strings.Contains(o.err.Error(), c.why)) {
		c.Errorf("got %v, want %v with %q", o.err, c.sentinel, c.why)
	}
	if o.status != 0 && (o.status != http.StatusServiceUnavailable || o.cookie || errors.Is(o.err, sessions.ErrLoad) != (c.op.name == "load" || !c.struck)) {
		c.Errorf("answered %d, cookie %t, for %v", o.status, o.cookie, o.err)
	}
}

// invariants are those that hold whatever happened. Each operation's own are in its table.
func (c *cell) invariants() {
	c.Helper()
	for _, b := range []*testbed.Browser{c.user.Clone(c.app).On(c.calm), c.before, c.other} {
		if who := b.OK("/user"); who != "" && who != c.name {
			c.Errorf("a browser of %s is %s", c.name, who)
		}
	}
	if rows := c.calm.Rows(c.T); rows > c.rows+1 { // the operation's row, or the mark of a revocation
		c.Errorf("%d rows, before %d", rows, c.rows)
	}
	var values []string
	for _, b := range []*testbed.Browser{c.user, c.before, c.other} {
		if cookie := b.Cookie(); cookie != nil {
			values = append(values, cookie.Value)
		}
	}
	c.app.LogHolds(c.T, values...)
}

// recover makes sure that the operation succeeds again, without a restart. A pool may still
// hold connections that are broken: each costs an answer.
func (c *cell) recover() {
	c.Helper()
	c.strike, c.ctx = func() {}, c.Context()
	var o outcome
	for deadline := time.Now().Add(time.Minute); ; {
		c.struck = false
		if o = c.op.run(c); o.err == nil {
			break
		}
		if time.Now().After(deadline) {
			c.Fatalf("it does not recover: %v", o.err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	c.app.NoConnectionInUse(c.T)
	for _, table := range []string{c.fresh(), c.fresh() + "_schema_migrations"} {
		_, err := c.calm.DB.ExecContext(c.Context(), "DROP TABLE IF EXISTS "+table)
		testbed.Check(c.T, err)
	}
}

// A barrier lets operations begin together once all have come to where the fault begins.
type barrier struct {
	coming sync.WaitGroup
	begun  chan struct{}
}

func newBarrier(cells []*cell) *barrier {
	b := &barrier{begun: make(chan struct{})}
	for _, c := range cells {
		b.coming.Add(1)
		arrive := sync.OnceFunc(b.coming.Done)
		c.strike = func() {
			arrive()
			<-b.begun
		}
		c.Cleanup(arrive)
	}
	return b
}

package faults_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
)

// An operation is what an application does with sessions.
type operation struct {
	name    string
	loads   bool // begins with a load
	touches bool
	once    bool // is not repeated after an answer that was lost
	long    bool // has many round trips
	foreign bool // its errors are not those of package sessions
	begin   func(c *cell)
	run     func(c *cell) outcome
	// applied returns how often it was carried out, or -1. answered says that its caller was
	// told so.
	applied func(c *cell, answered bool) int
}

// stride is the distance between the steps at which a test that makes much for each does so.
func (op *operation) stride() int {
	if op.name == "migrate" { // it has forty
		return 4
	}
	return 1
}

// signedIn makes the two sessions of a user.
func signedIn(c *cell) {
	for _, b := range []*testbed.Browser{c.user, c.other} {
		signIn(c.T, c.calm.Table, b, c.name)
		b.OK("/set?v=" + c.name)
	}
}

// signIn signs a user in. If there was a revocation just before, a pause of the machine may have a
// sign-in refused, as it compares durations; and each is if the database's clock was set back to
// before the revocation, until it has come there again.
func signIn(t *testing.T, tab *testbed.Table, b *testbed.Browser, user string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		answer := b.Fetch("/login?u=" + user)
		if answer.StatusCode == http.StatusOK {
			return
		}
		var mark sql.NullString
		testbed.Check(t, tab.DB.QueryRow("SELECT max(ended_at) FROM "+tab.Name+" WHERE ended_reason = 'mark'").Scan(&mark))
		if answer.StatusCode != http.StatusConflict || !mark.Valid || time.Since(began) > time.Minute {
			t.Fatalf("the sign-in of %s is answered %d at %v; the last revocation was at %q", user, answer.StatusCode, time.Now(), mark.String)
		}
	}
}

// stays reports that a read was answered, and that the session is as it was.
func stays(c *cell, answered bool) int {
	if who, value := c.user.Clone(c.app).On(c.calm).OK("/user"), c.before.OK("/read"); who != c.name || value != c.name {
		return -1
	}
	return count(answered)
}

func count(conditions ...bool) (n int) {
	for _, is := range conditions {
		if is {
			n++
		}
	}
	return n
}

func request(path string) func(*cell) outcome {
	return func(c *cell) outcome { return c.fetch(path) }
}

func (c *cell) sessionsOf(m *sessions.Manager, ctx context.Context) (n int, err error) {
	for _, err := range m.SessionsOf(ctx, c.name) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// live returns how many sessions the user has.
func (c *cell) live() int {
	n, err := c.sessionsOf(c.calm.Manager, c.Context())
	testbed.Check(c.T, err)
	return n
}

// ended returns 1 if neither of the user's sessions is live.
func (c *cell) ended() int {
	return count(c.before.OK("/user") == "" && c.other.OK("/user") == "")
}

const expired = 6 // rows for the reaper

var operations = []operation{
	{
		name: "load", loads: true, begin: signedIn, applied: stays,
		run: func(c *cell) outcome { c.begins(); return c.fetch("/read") },
	},
	{
		name: "create", begin: func(*cell) {}, run: request("/set?v=new"),
		applied: func(c *cell, answered bool) int {
			made := c.calm.Rows(c.T) - c.rows // without an answer no browser has its cookie
			if user := c.user.Clone(c.app).On(c.calm); (user.OK("/read") == "new") != answered {
				return -1
			}
			return made
		},
	},
	{
		name: "save", loads: true, begin: func(c *cell) { signedIn(c); c.count = counter(c) }, run: request("/count"),
		applied: func(c *cell, _ bool) int { return counter(c) - c.count - 1 },
	},
	{name: "touch", loads: true, touches: true, begin: signedIn, run: request("/read"), applied: stays},
	{
		name: "regenerate", loads: true, begin: signedIn, run: request("/regenerate"),
		applied: func(c *cell, answered bool) int {
			if who := c.user.Clone(c.app).On(c.calm).OK("/user"); answered && who != c.name {
				return -1
			}
			return count(c.before.OK("/user") == "")
		},
	},
	{
		name: "sign-in", loads: true, begin: func(c *cell) { c.user.OK("/set?v=cart") },
		run: func(c *cell) outcome { return c.fetch("/login?u=" + c.name) },
		applied: func(c *cell, answered bool) int {
			if who := c.user.Clone(c.app).On(c.calm).OK("/user"); (who == c.name) != answered || c.before.OK("/user") != "" {
				return -1
			}
			return max(c.live(), count(c.before.OK("/read") != "cart")) // what is left without an answer has no cookie
		},
	},
	{
		name: "destroy", loads: true, begin: signedIn, run: request("/logout"),
		applied: func(c *cell, _ bool) int { return count(c.before.OK("/user") == "") },
	},
	{
		name: "revoke user", begin: signedIn, applied: func(c *cell, _ bool) int { return c.ended() },
		run: func(c *cell) outcome {
			return c.direct(func(ctx context.Context) error {
				_, err := c.app.Manager.RevokeUser(ctx, c.name)
				return err
			})
		},
	},
	{
		name: "revoke all", begin: signedIn, applied: func(c *cell, _ bool) int { return c.ended() },
		run: func(c *cell) outcome {
			return c.direct(func(ctx context.Context) error {
				_, err := c.app.Manager.RevokeAll(ctx)
				return err
			})
		},
	},
	{
		name: "list", begin: signedIn, applied: stays,
		run: func(c *cell) outcome {
			return c.direct(func(ctx context.Context) error {
				n, err := c.sessionsOf(c.app.Manager, ctx)
				if err == nil && n != 2 {
					c.Errorf("%d sessions are listed, not 2", n)
				}
				return err
			})
		},
	},
	{
		name: "reap", once: true, long: true,
		begin: func(c *cell) {
			_, err := (&sessions.Reaper{Store: c.calm.Store, NoRest: true}).Sweep(c.Context())
			testbed.Check(c.T, err)
			signedIn(c)
			c.count = c.calm.Rows(c.T)
			c.calm.Fill(c.T, expired)
		},
		run: func(c *cell) outcome {
			return c.direct(func(ctx context.Context) error {
				_, err := (&sessions.Reaper{Store: c.app.Store, NoRest: true}).Sweep(ctx)
				return err
			})
		},
		applied: func(c *cell, _ bool) int {
			left := c.calm.Rows(c.T) - c.count
			if stays(c, true) < 0 || left < 0 {
				return -1
			}
			return count(left < expired)
		},
	},
	{
		name: "migrate", once: true, long: true, foreign: true, begin: func(*cell) {}, run: migrate,
		applied: func(c *cell, _ bool) int {
			status, err := c.calm.Migrator(c.T, c.fresh()).Status(c.Context())
			testbed.Check(c.T, err)
			if status.Dirty && c.calm.Dialect != migrations.MySQL { // only there a step can stop half-way
				return -1
			}
			return count(status.Version > 0 || status.Dirty)
		},
	},
}

// counter adds 1 to the counter of the session, and returns it.
func counter(c *cell) int {
	b := c.user
	if c.before != nil {
		b = c.before
	}
	n, err := strconv.Atoi(b.OK("/count"))
	testbed.Check(c.T, err)
	return n
}

// fresh is the name of a table that is not there yet.
func (c *cell) fresh() string { return "m_" + c.name[:12] }

// migrate makes another table. The fault begins after the first step.
func migrate(c *cell) outcome {
	m, err := migrator.New(c.app.DB, c.app.Dialect, migrator.Options{Table: c.fresh(), OnStep: func(step migrations.Step, _ bool) {
		if step.Version == 1 {
			c.begins()
		}
	}})
	testbed.Check(c.T, err)
	_, err = m.Up(c.ctx)
	if errors.Is(err, migrator.ErrDirty) { // what its text says: repair the table, and force the version
		_, dropErr := c.calm.DB.ExecContext(c.Context(), "DROP TABLE IF EXISTS "+c.fresh())
		testbed.Check(c.T, errors.Join(dropErr, c.calm.Migrator(c.T, c.fresh()).Force(c.Context(), 0)))
	}
	return outcome{err: err}
}

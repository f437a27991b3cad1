package cluster_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/pgstore"
)

// newReplicas starts a primary and a standby, with the table on them, and
// returns the address for a client that looks for the primary.
func newReplicas(t *testing.T) (r *servers.Replicas, address string) {
	t.Helper()
	r, err := servers.StartReplicas(t.Context(), os.Stderr)
	testbed.Check(t, err)
	t.Cleanup(func() { _ = r.Close() })
	address, err = r.URL("postgres")
	testbed.Check(t, err)
	m, err := migrator.New(openPostgres(t, address), migrations.PostgreSQL, migrator.Options{})
	testbed.Check(t, err)
	_, err = m.Up(t.Context())
	testbed.Check(t, err)
	return r, address
}

func openPostgres(t *testing.T, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", address)
	testbed.Check(t, err)
	db.SetMaxIdleConns(10)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// newPostgresApps starts an application on each kind of pool.
func newPostgresApps(t *testing.T, address string) []*app {
	t.Helper()
	// So few that calls wait for one, and are sent together.
	pool, err := pgxpool.New(context.Background(), address+"&pool_max_conns=2")
	testbed.Check(t, err)
	t.Cleanup(pool.Close)
	return []*app{
		newApp(t, "pgxpool", pgstore.NewPool(pool)),
		newApp(t, "database/sql", pgstore.New(openPostgres(t, address))),
	}
}

// The standby has what the primary answered for, so nothing that a browser was
// told is lost when it takes over, and no application is restarted.
func TestSynchronousStandbyTakesOver(t *testing.T) {
	r, address := newReplicas(t)
	testbed.Check(t, r.Synchronous(t.Context()))
	apps := newPostgresApps(t, address)
	tr := startTraffic(t, true, apps...)
	tr.more(300)
	requests := hold(t, apps...)
	tr.kill(r.Primary.Kill)
	requests.fail(t)
	testbed.Check(t, r.Promote(t.Context()))
	tr.recovered("a synchronous standby was promoted at once")
	tr.more(300)
	tr.settle(apps...)
	tr.goesOn(apps...)
	requests.unchanged(t, apps...)
}

// With asynchronous replication a primary answers for what the standby may not
// have. That is then gone, logouts too; all else goes on.
func TestAsynchronousStandbyTakesOver(t *testing.T) {
	r, address := newReplicas(t)
	apps := newPostgresApps(t, address)
	tr := startTraffic(t, false, apps...)
	tr.more(300)
	user := apps[0].ok(t, "/login?u=carol", "").cookie
	standby := newApp(t, "standby", pgstore.New(openPostgres(t, r.Standby.URL())))
	testbed.Await(t, "the standby has the login", func() bool { return standby.get(t, "/user", user).body == "carol" })
	testbed.Check(t, r.Detach(t.Context()))
	apps[1].ok(t, "/logout", user)
	tr.bury(user)
	tr.more(100) // which the standby never hears of
	tr.kill(r.Primary.Kill)
	testbed.Check(t, r.Promote(t.Context()))
	tr.recovered("an asynchronous standby, 100 changes behind, was promoted at once")
	tr.more(300)
	if l := tr.settle(apps...); l.changes == 0 || l.logouts == 0 {
		t.Errorf("the standby was behind, and %d changes and %d logouts were lost", l.changes, l.logouts)
	}
	tr.goesOn(apps...)
}

// A primary that waits for its standby in vain does not answer for a change,
// and neither does the application; what needs no commit goes on.
func TestSynchronousStandbyIsGone(t *testing.T) {
	r, address := newReplicas(t)
	testbed.Check(t, r.Synchronous(t.Context()))
	pool, err := pgxpool.New(context.Background(), address)
	testbed.Check(t, err)
	t.Cleanup(pool.Close)
	a := newApp(t, "impatient", pgstore.NewPool(pool), func(o *sessions.Options) { o.Timeout = 2 * time.Second })
	user := a.ok(t, "/login?u=alice", "").cookie
	testbed.Check(t, r.Standby.Kill())
	if got := a.get(t, "/count", user); got.status != http.StatusServiceUnavailable || got.set {
		t.Errorf("a change: %d, Set-Cookie %v", got.status, got.set)
	}
	if got := a.get(t, "/login?u=bob", ""); got.status != http.StatusServiceUnavailable || got.set {
		t.Errorf("a login: %d, Set-Cookie %v", got.status, got.set)
	}
	if got := a.ok(t, "/user", user).body; got != "alice" {
		t.Errorf("the user is %q", got)
	}
	a.printFailures(t)
}

// An application that was given the standby's address can read, and is told
// what is wrong when it writes.
func TestStandbyAlone(t *testing.T) {
	r, address := newReplicas(t)
	testbed.Check(t, r.Synchronous(t.Context()))
	primary := newPostgresApps(t, address)[0]
	user := primary.ok(t, "/login?u=alice", "").cookie
	store := pgstore.New(openPostgres(t, r.Standby.URL()))
	a := newApp(t, "standby", store)
	testbed.Await(t, "the standby has replayed the login", func() bool { return a.get(t, "/user", user).body == "alice" })
	const advice = "use the primary's address"
	err := store.End(t.Context(), driver.EndRequest{ID: "00000000-0000-0000-0000-000000000000"})
	if err == nil || !strings.Contains(err.Error(), advice) {
		t.Errorf("an end on the standby: %v", err)
	}
	if got := a.get(t, "/logout", user); got.status != http.StatusServiceUnavailable || got.set || !a.failedWith(advice) {
		t.Errorf("a logout on the standby: %d, Set-Cookie %v, %v", got.status, got.set, a.errors)
	}
	if _, err := a.manager.RevokeUser(t.Context(), "alice"); !errors.Is(err, sessions.ErrUnavailable) {
		t.Errorf("a revocation on the standby: %v", err)
	}
	if got := primary.ok(t, "/user", user).body; got != "alice" {
		t.Errorf("the user is %q", got)
	}
}

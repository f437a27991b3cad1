package cluster_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A spread store is what a pool behind a balancer can be: a save commits through one node,
// and the next statement goes to another.
type spread struct {
	sessions.Store
	other  sessions.Store
	looked chan struct{} // closed when the look is on its way
}

func (s spread) Marks(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
	select {
	case <-s.looked:
	default:
		close(s.looked)
	}
	return s.other.Marks(ctx, req)
}

// A user is revoked through one node while a sign-in runs, and the sign-in looks for that
// through a node which has not applied it yet. The connections do not ask for
// wsrep_sync_wait: the look does, for itself.
func (g galera) testRevokedSignIn(t *testing.T) {
	table := g.newTable(t)
	first := g.store(t, g.node(t, 0, "0"), table)
	s := spread{Store: first, other: g.store(t, g.node(t, 1, "0"), table), looked: make(chan struct{})}
	_, err := s.other.Marks(t.Context(), driver.MarksRequest{User: "alice"}) // the statement is prepared
	testbed.Check(t, err)
	a := newApp(t, "nodes 1 and 2", s)

	signIn := make(chan answer)
	go func() { signIn <- a.get(t, "/login?u=alice&hold=1", "") }()
	<-a.arrived
	conn, err := g.node(t, 1, "0").Conn(t.Context())
	testbed.Check(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK") // nothing is applied from now on
	testbed.Check(t, err)
	_, err = a.manager.RevokeUser(t.Context(), "alice")
	testbed.Check(t, err)
	close(a.release)
	<-s.looked
	testbed.Await(t, "the look waits for its node", func() bool {
		var waiting int
		testbed.Check(t, conn.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist"+
			" WHERE id <> CONNECTION_ID() AND info LIKE '%keep_until > %'").Scan(&waiting))
		select {
		case got := <-signIn:
			t.Fatalf("a sign-in that ran beside a revocation got %d from a node that is behind", got.status)
		default:
		}
		return waiting > 0
	})
	_, err = conn.ExecContext(t.Context(), "UNLOCK TABLES")
	testbed.Check(t, err)
	if got := <-signIn; got.status != http.StatusConflict || got.set {
		t.Errorf("a sign-in that ran beside a revocation: %d, Set-Cookie %v, want 409", got.status, got.set)
	}
}

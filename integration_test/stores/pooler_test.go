package stores_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// process returns the server's process that a transaction runs in, and what
// ends the transaction.
func process(t *testing.T, c *testbed.Conns) (id int, end func()) {
	t.Helper()
	const query = "SELECT pg_backend_pid()"
	if c.Pool != nil {
		tx, err := c.Pool.Begin(t.Context())
		testbed.Check(t, err)
		testbed.Check(t, tx.QueryRow(t.Context(), query).Scan(&id))
		return id, func() { testbed.Check(t, tx.Commit(t.Context())) }
	}
	tx, err := c.DB.BeginTx(t.Context(), nil)
	testbed.Check(t, err)
	testbed.Check(t, tx.QueryRowContext(t.Context(), query).Scan(&id))
	return id, func() { testbed.Check(t, tx.Commit()) }
}

// The tests are right about whether there is a pooler: only behind one do two transactions of
// one client run in two server processes.
func TestConnectionsAreSharedByAPooler(t *testing.T) {
	for _, b := range postgresBackends() {
		t.Run(b.Name, func(t *testing.T) {
			one, other := b.ConnectSized(t, "", 1), b.ConnectSized(t, "", 1)
			first, end := process(t, one)
			end()
			// The next client gets the connection that has just been returned.
			between, release := process(t, other)
			second, end := process(t, one)
			end()
			release()
			if pooled := testbed.PostgresPooler.Name != ""; pooled != (first == between) || pooled != (first != second) {
				t.Errorf("processes %d and %d, another client's %d, pooler %q", first, second, between, testbed.PostgresPooler.Name)
			}
		})
	}
}

// In pgx's default mode a store works wherever prepared statements do. Where they don't, the
// error says what to do.
func TestPreparedStatementsWorkOrTheErrorSaysWhatDoes(t *testing.T) {
	for _, b := range postgresBackends() {
		if b.Name == "libpq" {
			continue // it prepares no statement by name
		}
		t.Run(b.Name, func(t *testing.T) {
			tab := b.NewTable(t)
			one := b.ConnectSized(t, testbed.WithParameters(tab.URL, "default_query_exec_mode=cache_statement"), 1)
			store := one.OpenStore(t, tab.Name)
			load := func() error {
				_, err := store.Load(t.Context(), testbed.NewRow("").Ref)
				return err
			}
			err := load() // another store may have prepared there what all ask first
			if errors.Is(err, sessions.ErrNotFound) {
				_, release := process(t, tab.Conns) // has the connection on which that was prepared
				err = load()
				release()
			}
			if testbed.PostgresPooler.Name == "" || testbed.PostgresPooler.Prepares {
				if !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("the second time: %v", err)
				}
			} else if err == nil || !strings.Contains(err.Error(), "pgstore: load: ") || !strings.Contains(err.Error(), "add default_query_exec_mode=exec") {
				t.Errorf("an error that does not help: %v", err)
			}
		})
	}
}

func postgresBackends() (found []testbed.Backend) {
	for _, b := range testbed.Backends {
		if b.Dialect == migrations.PostgreSQL {
			found = append(found, b)
		}
	}
	return found
}

package faults_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// On a SQLite file the faults are those of a file. What happens when it is full, damaged or
// away is in packages sqlite and requests.
func TestSQLiteFails(t *testing.T) {
	direct, dsn := testbed.OpenFile(t, "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(20000)")
	w := &world{direct: direct, through: testbed.OpenDSN(t, strings.TrimSuffix(dsn, "&_pragma=busy_timeout(20000)"))}
	for range operations {
		w.tables = append(w.tables, direct.NewTable(t))
	}
	for _, f := range []struct {
		name     string
		begin    func(t *testing.T) (end func())
		sentinel error
		patience time.Duration
		why      string
		verdicts func(op *operation) verdict
	}{
		{
			"another process has the lock", func(t *testing.T) func() { return lockFile(t, dsn) },
			sessions.ErrUnavailable, hasty, "another connection kept the file locked", writes(refused),
		},
		{"the table is gone", func(t *testing.T) func() {
			rename := func(statement string) {
				for _, tab := range w.tables {
					tab.Exec(t, statement)
				}
			}
			rename("ALTER TABLE $TABLE RENAME TO $TABLE_away")
			return func() { rename("ALTER TABLE $TABLE_away RENAME TO $TABLE") }
		}, sessions.ErrSchema, calmly, "", all(refused)},
	} {
		t.Run("sqlite "+f.name, func(t *testing.T) {
			var cells []*cell
			for _, c := range w.cells(t, f.patience, f.verdicts) {
				if c.op.name != "migrate" { // which has the lock itself
					c.sentinel, c.why = f.sentinel, f.why
					cells = append(cells, c)
				}
			}
			var end func()
			strike(t, cells, func() { end = f.begin(t) }, func() { end() }, f.verdicts)
		})
	}
}

// lockFile begins a transaction that writes.
func lockFile(t *testing.T, dsn string) (release func()) {
	t.Helper()
	other := testbed.OpenDSN(t, dsn)
	conn, err := other.DB.Conn(t.Context())
	testbed.Check(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	testbed.Check(t, err)
	return func() {
		_, err := conn.ExecContext(context.WithoutCancel(t.Context()), "ROLLBACK")
		testbed.Check(t, err)
		testbed.Check(t, conn.Close())
		other.Close()
	}
}

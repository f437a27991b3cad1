package sqlite_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A row that ended has nothing of its user, and no token opens it. What it keeps are its ID,
// its times and why it ended.
func TestSQLiteEndedRowsAreEmpty(t *testing.T) {
	c, _ := testbed.OpenFile(t, wal)
	tab := c.NewTable(t)
	var ended, revoked driver.ID
	for _, id := range []*driver.ID{&ended, &revoked} {
		row := testbed.NewRow(`{"secret":1}`)
		row.User, row.Label = "alice", "tenant"
		_, err := tab.Store.Create(t.Context(), driver.CreateRequest{
			Ref: row.Ref, User: row.User, Label: row.Label, Data: row.Data, Life: testbed.Day, Authenticated: true, Pending: true,
		})
		testbed.Check(t, err)
		rows, err := tab.Store.List(t.Context(), driver.ListRequest{ID: row.ID, Limit: 1})
		testbed.Check(t, err)
		_, err = tab.Store.Save(t.Context(), driver.SaveRequest{
			From: row.Ref, Version: rows[0].Version, Verifier: testbed.RandomVerifier(), Grace: time.Hour,
			User: row.User, Label: row.Label, Data: row.Data, Life: testbed.AnHour, Pending: true,
		})
		testbed.Check(t, err)
		*id = row.ID
	}
	tab.Exec(t, "CREATE TABLE $TABLE_before AS SELECT * FROM $TABLE") //nolint:unqueryvet // a copy has all columns
	testbed.Check(t, tab.Store.End(t.Context(), driver.EndRequest{ID: ended, Reason: "logout", Keep: time.Hour}))
	_, err := tab.Store.EndAll(t.Context(), driver.EndAllRequest{User: "alice", Limit: 10, Reason: "revoked", Keep: time.Hour})
	testbed.Check(t, err)
	for id, reason := range map[driver.ID]string{ended: "logout", revoked: "revoked"} {
		var n int
		testbed.Check(t, tab.DB.QueryRowContext(t.Context(), `SELECT count(*)
			FROM `+tab.Name+` AS s
			JOIN `+tab.Name+`_before AS b ON b.id = s.id
			WHERE s.id = `+tab.Literal(id)+` AND s.verifier IS NULL AND s.previous_verifier IS NULL AND s.previous_until IS NULL
				AND s.user_id IS NULL AND s.label IS NULL AND s.data = '{}' AND s.pending = 0
				AND s.expires_at = 86400000 AND s.ended_reason = '`+reason+`' AND s.ended_at BETWEEN b.created_at AND unixepoch() * 1000 + 1000
				AND s.keep_until = s.ended_at + 3600000 AND s.reap_after <= b.reap_after AND s.version <> b.version
				AND s.created_at = b.created_at AND s.seen_at = b.seen_at AND s.absolute_expires_at = b.absolute_expires_at
				AND s.authenticated_at = b.authenticated_at`).Scan(&n))
		if n != 1 {
			t.Errorf("%s: the row is\n%s", reason, tab.DumpOf(t, tab.Name+" WHERE id = "+tab.Literal(id)))
		}
	}
}

// A mark is not said to be older than it is, or a sign-in that began before it would take itself
// for one that began after it.
func TestSQLiteMarkIsNotOlderThanItIs(t *testing.T) {
	c, _ := testbed.OpenFile(t, wal+"&_pragma=synchronous(OFF)")
	tab := c.NewTable(t)
	for i := range 300 {
		began := time.Now()
		_, err := tab.Store.EndAll(t.Context(), driver.EndAllRequest{
			User: "alice", Limit: 1, Mark: driver.Mark{Number: int64(i + 1), Keep: time.Hour},
		})
		testbed.Check(t, err)
		marks, err := tab.Store.Marks(t.Context(), driver.MarksRequest{ID: testbed.NewRow("").ID, User: "alice"})
		elapsed := time.Since(began)
		last := slices.IndexFunc(marks, func(m driver.SetMark) bool { return m.Number == int64(i+1) })
		if err != nil || last < 0 || marks[last].Age > elapsed {
			t.Fatalf("after %v: %+v, %v", elapsed, marks, err)
		}
	}
}

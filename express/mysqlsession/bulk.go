package mysqlsession

import (
	"context"
	"database/sql"
	"strings"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/mysqldb"
	"github.com/sqlsessions/sessions/internal/retry"
)

func (t *table) EndRow(ctx context.Context, sid driver.Verifier, version any) (deleted, live bool, err error) {
	n, err := mysqldb.Affected(t.exec(ctx, endLive, []byte(sid), []byte(sid), version, version))
	if err != nil || n > 0 {
		return err == nil, true, err
	}
	n, err = mysqldb.Affected(t.exec(ctx, endDead, []byte(sid), []byte(sid), version, version))
	return n > 0, false, err
}

// EndRows runs in REPEATABLE READ, which locks the gaps between rows too. Otherwise a row
// whose sid changes at the same time could move to a place that the statements have
// already passed.
func (t *table) EndRows(ctx context.Context, except []driver.ID, limit int) (ended int, err error) {
	ids := make([]string, len(except))
	for i, id := range except {
		ids[i] = string(id)
	}
	spared := strings.Join(ids, ",")
	err = retry.Do(ctx, retry.Many, myerr.Undone, func() error {
		return mysqldb.InTx(ctx, t.db, sql.LevelRepeatableRead, func(tx *sql.Tx) error {
			ended, err = mysqldb.Affected(tx.ExecContext(ctx, t.sql[endAll], spared, limit))
			if err != nil || ended == limit {
				return err
			}
			_, err = tx.ExecContext(ctx, t.sql[endRest], spared)
			return err
		})
	})
	return ended, row.Answer(ctx, err)
}

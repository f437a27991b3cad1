package mysqlsession

import (
	"context"
	"database/sql"
	"strings"

	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/mysqldb"
	"github.com/sqlsessions/sessions/internal/retry"
)

// ReapRows needs two statements, and so a transaction: MySQL has no DELETE with SKIP
// LOCKED. READ COMMITTED takes no locks on the gaps between rows, and keeps none on rows
// that have not expired.
func (t *table) ReapRows(ctx context.Context, limit int) (deleted int, err error) {
	err = retry.Do(ctx, retry.Few, myerr.Transient, func() error {
		deleted = 0
		return mysqldb.InTx(ctx, t.db, sql.LevelReadCommitted, func(tx *sql.Tx) error {
			sids, err := t.due(ctx, tx, limit)
			if err != nil || len(sids) == 0 {
				return err
			}
			places := strings.Repeat(t.shape.text()+",", len(sids))
			deleted, err = mysqldb.Affected(tx.ExecContext(ctx, strings.Replace(t.sql[deleteDead], "{sids}", places[:len(places)-1], 1), sids...))
			return err
		})
	})
	return deleted, row.Answer(ctx, err)
}

// due locks the first rows that are dead, and returns their sids.
func (t *table) due(ctx context.Context, tx *sql.Tx, limit int) (sids []any, err error) {
	rows, err := tx.QueryContext(ctx, t.sql[selectDead], limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var sid []byte
		if err := rows.Scan(&sid); err != nil {
			return nil, err
		}
		sids = append(sids, sid)
	}
	return sids, rows.Err()
}

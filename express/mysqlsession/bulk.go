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

// EndRow implements [row.Table].
func (t *table) EndRow(ctx context.Context, sid string, version any) (deleted, live bool, err error) {
	n, err := mysqldb.Affected(t.exec(ctx, endLive, []byte(sid), []byte(sid), version, version))
	if err != nil || n > 0 {
		return err == nil, true, err
	}
	n, err = mysqldb.Affected(t.exec(ctx, endDead, []byte(sid), []byte(sid), version, version))
	return n > 0, false, err
}

// Text implements [row.Table].
func (t *table) Text(ctx context.Context, sid string) (data []byte, err error) {
	err = t.queryRow(ctx, text, []any{[]byte(sid), []byte(sid)}, &data)
	return data, err
}

// FindID implements [row.Table].
func (t *table) FindID(ctx context.Context, id driver.ID) (sid string, data []byte, err error) {
	err = t.queryRow(ctx, byID, []any{string(id)}, &sid, &data)
	return sid, data, err
}

// FindUser implements [row.Table].
func (t *table) FindUser(ctx context.Context, quoted string, each func(sid string, text []byte)) error {
	return t.query(ctx, byUser, []any{quoted}, func(from func(...any) error) error {
		var sid string
		var text []byte
		err := from(&sid, &text)
		if err == nil {
			each(sid, text)
		}
		return err
	})
}

// EndRows implements [row.Table]. It runs in REPEATABLE READ, which locks the gaps between
// rows too. Otherwise a row whose sid changes at the same time could move to where the
// statements have already been.
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

// ListRows implements [row.Table].
func (t *table) ListRows(ctx context.Context, after driver.ID, quoted string, limit int) ([]driver.Row, error) {
	if quoted != "" {
		return t.read(ctx, listUser, quoted, string(after), limit)
	}
	return t.read(ctx, list, string(after), limit)
}

// Page implements [row.Table].
func (t *table) Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error) {
	return t.read(ctx, inOrder, []byte(after), limit)
}

// Stats implements [row.Table].
func (t *table) Stats(ctx context.Context) (n driver.Stats, err error) {
	err = t.queryRow(ctx, stats, nil, &n.Live, &n.Dead)
	return n, err
}

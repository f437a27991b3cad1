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
	"github.com/sqlsessions/sessions/internal/stmt"
)

// exec runs a statement, and again if the database undid it.
func (t *table) exec(ctx context.Context, query stmt.ID, args ...any) (sql.Result, error) {
	result, err := mysqldb.Run(ctx, t.db, t.sql[query], args...)
	return result, row.Answer(ctx, err)
}

// update runs an UPDATE with $MARK and reports whether it is certain that it found a row.
func (t *table) update(ctx context.Context, query stmt.ID, args ...any) (found bool, err error) {
	result, err := t.exec(ctx, query, args...)
	if err != nil {
		return false, err
	}
	mark, err := result.LastInsertId()
	if err != nil || mark != 0 {
		return err == nil, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func (t *table) Query(ctx context.Context, query stmt.ID, args []any, each func(scan func(...any) error) error) error {
	return row.Answer(ctx, t.db.Query(ctx, t.sql[query], args, each))
}

func (t *table) CreateRow(ctx context.Context, req driver.CreateRequest, text string) (driver.Version, error) {
	version, err := t.version(ctx, text)
	if err == nil {
		_, err = t.exec(ctx, create, []byte(req.Verifier), row.Idle(req.Life), text)
	}
	return version, err
}

// version returns the version of a row with this text. The row can't be asked for that
// when it is written: by then another request may have written it again.
func (t *table) version(ctx context.Context, text string) (version driver.Version, err error) {
	if !t.json {
		return row.Version([]byte(text)), nil
	}
	err = t.db.QueryRow(ctx, t.sql[versionOf], []any{text}, &version)
	return version, row.Answer(ctx, err)
}

func (t *table) SaveRow(ctx context.Context, req driver.SaveRequest, text string) (driver.Version, error) {
	version, err := t.version(ctx, text)
	if err != nil {
		return version, err
	}
	sid := []byte(req.From.Verifier)
	found, err := t.update(ctx, save, []byte(req.Verifier), row.Idle(req.Life), text, sid, sid, int64(req.Version))
	if err == nil && !found {
		err = driver.ErrNotFound
	}
	return version, err
}

func (t *table) TouchRow(ctx context.Context, req driver.TouchRequest) (certain bool, err error) {
	sid, idle := []byte(req.Verifier), req.Life.Idle.Microseconds()
	return t.update(ctx, touch, idle, idle-req.Life.Throttle.Microseconds(), idle, sid, sid)
}

func (t *table) EndRow(ctx context.Context, sid driver.Verifier, version any) (deleted, live bool, err error) {
	n, err := mysqldb.Affected(t.exec(ctx, endLive, []byte(sid), []byte(sid), version, version))
	if err != nil || n > 0 {
		return err == nil, true, err
	}
	n, err = mysqldb.Affected(t.exec(ctx, endDead, []byte(sid), []byte(sid), version, version))
	return n > 0, false, err
}

func (t *table) FindRows(ctx context.Context, sids []driver.Verifier, each func(scan func(...any) error) error) error {
	asked := make([]any, len(sids))
	for i, sid := range sids {
		asked[i] = []byte(sid)
	}
	if err := t.db.Ready(ctx); err != nil {
		return err
	}
	s, err := t.db.DB.PrepareContext(ctx, t.forEach(find, len(sids))) // see mysqldb.Exec
	if err != nil {
		return row.Answer(ctx, err)
	}
	defer s.Close()
	return row.Answer(ctx, row.Each(ctx, oneUse{s}, each, "", asked...))
}

// A oneUse is a statement that is a query by itself.
type oneUse struct{ *sql.Stmt }

func (s oneUse) QueryContext(ctx context.Context, _ string, args ...any) (*sql.Rows, error) {
	return s.Stmt.QueryContext(ctx, args...)
}

// forEach returns a statement with a place for each sid.
func (t *table) forEach(query stmt.ID, sids int) string {
	places := strings.Repeat(t.text()+",", sids)
	return strings.Replace(t.sql[query], "{sids}", places[:len(places)-1], 1)
}

// EndRows runs in REPEATABLE READ, which locks the gaps between
// rows too. Otherwise a row whose sid changes at the same time could move to rows that
// the statements have already passed.
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

// ReapRows needs two statements, and so a transaction: MySQL has no
// DELETE with SKIP LOCKED. READ COMMITTED takes no locks on the gaps between rows, and
// keeps none on rows that are not expired.
func (t *table) ReapRows(ctx context.Context, limit int) (deleted int, err error) {
	err = retry.Do(ctx, retry.Few, myerr.Transient, func() error {
		deleted = 0
		return mysqldb.InTx(ctx, t.db, sql.LevelReadCommitted, func(tx *sql.Tx) error {
			var sids []any
			err := row.Each(ctx, tx, func(scan func(...any) error) error {
				var sid []byte
				err := scan(&sid)
				sids = append(sids, sid)
				return err
			}, t.sql[selectDead], limit)
			if err != nil || len(sids) == 0 {
				return err
			}
			deleted, err = mysqldb.Affected(mysqldb.Exec(ctx, tx, t.forEach(deleteDead, len(sids)), sids...))
			return err
		})
	})
	return deleted, row.Answer(ctx, err)
}

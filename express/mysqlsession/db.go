package mysqlsession

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/mysqldb"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// exec runs a statement, and again if the database undid it.
func (t *table) exec(ctx context.Context, query stmt.ID, args ...any) (sql.Result, error) {
	result, err := mysqldb.Run(ctx, t.db, t.sql[query], args...)
	return result, row.Answer(ctx, err)
}

// update runs an UPDATE with $MARK, and returns driver.ErrNotFound if it found no row.
func (t *table) update(ctx context.Context, query stmt.ID, args ...any) error {
	result, err := t.exec(ctx, query, args...)
	if err != nil {
		return err
	}
	mark, err := result.LastInsertId()
	if err == nil && mark == 0 {
		err = driver.ErrNotFound
	}
	return err
}

func (t *table) queryRow(ctx context.Context, query stmt.ID, args []any, dest ...any) error {
	return row.Answer(ctx, t.db.QueryRow(ctx, t.sql[query], args, dest...))
}

// query calls each for every row that a statement returns.
func (t *table) query(ctx context.Context, query stmt.ID, args []any, each func(from func(...any) error) error) error {
	return row.Answer(ctx, t.db.Query(ctx, t.sql[query], args, each))
}

func (t *table) read(ctx context.Context, query stmt.ID, args ...any) (rows []driver.Row, err error) {
	err = t.query(ctx, query, args, func(from func(...any) error) error {
		r, err := scan(from)
		rows = append(rows, r)
		return err
	})
	return rows, err
}

// scan reads $COLUMNS.
func scan(from func(dest ...any) error) (r driver.Row, err error) {
	var sid, text []byte
	var version sql.NullInt64
	var left int64
	if err := from(&sid, &text, &version, &left); err != nil {
		return driver.Row{}, err
	}
	if text == nil || !version.Valid { // no row without data is live, but MariaDB's CAST makes it so
		return driver.Row{}, errors.New("the session is larger than the server's max_allowed_packet, which was larger when it was saved")
	}
	r.Ref = driver.Ref{ID: row.ID(string(sid)), Verifier: driver.Verifier(sid)}
	r.Version = driver.Version(version.Int64)
	r.Data, r.User = row.Decode(text)
	r.ExpiresIn = time.Duration(left) * time.Microsecond
	r.AbsoluteIn = math.MaxInt64
	return r, nil
}

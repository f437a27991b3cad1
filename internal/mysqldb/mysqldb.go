// Package mysqldb is how mysqlstore and mysqlsession run their statements.
package mysqldb

import (
	"context"
	"database/sql"

	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// Open returns a cache for statements of this database.
func Open(db *sql.DB) *stmt.Cache { return &stmt.Cache{DB: db, Check: Check} }

// Run runs a statement, and again if the database undid it.
func Run(ctx context.Context, db *stmt.Cache, query string, args ...any) (result sql.Result, err error) {
	err = retry.Do(ctx, retry.Few, myerr.Waited, func() error {
		return retry.Do(ctx, retry.Many, myerr.Undone, func() error {
			result, err = Once(ctx, db, query, args...)
			return err
		})
	})
	return result, err
}

// Once runs a statement. One that the server would refuse from now on is prepared again.
func Once(ctx context.Context, db *stmt.Cache, query string, args ...any) (sql.Result, error) {
	result, err := db.Run(ctx, query, args...)
	if err != nil && myerr.InPieces(err) {
		db.Forget(query)
	}
	return result, err
}

// A Preparer is a *sql.DB or *sql.Tx.
type Preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// Exec runs a statement that is used once. It prepares it, as the driver does itself unless
// interpolateParams is set. Then the driver would put keys and names into the text, and on a
// connection of gbk, for example, the server would take the backslash before a quote for a part
// of a character, so that a name could end its quotes.
func Exec(ctx context.Context, db Preparer, query string, args ...any) (sql.Result, error) {
	s, err := db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.ExecContext(ctx, args...)
}

// Affected returns how many rows a statement affected.
func Affected(result sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// InTx commits what f does, unless it returns an error.
func InTx(ctx context.Context, db *stmt.Cache, level sql.IsolationLevel, f func(tx *sql.Tx) error) error {
	if err := db.Ready(ctx); err != nil {
		return err
	}
	tx, err := db.DB.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no-op after Commit
	if err := f(tx); err != nil {
		return err
	}
	// If several servers take writes, this is where one of them wins.
	return tx.Commit()
}

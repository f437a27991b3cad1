package stmt

import (
	"context"
	"database/sql"
)

// Sweep runs a statement on all rows of a range of MySQL's, and returns how many it affected.
// REPEATABLE READ, the default there, locks the gaps between rows too. Without, a row whose
// key changes meanwhile can move to where the statement has already been.
func Sweep(ctx context.Context, db *sql.DB, query string, args ...any) (int, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // no-op after Commit
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, err
	}
	return int(n), tx.Commit()
}

package mysqlsession

import (
	"context"
	"database/sql"

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

func (t *table) Query(ctx context.Context, query stmt.ID, args []any, each func(scan func(...any) error) error) error {
	return row.Answer(ctx, t.db.Query(ctx, t.sql[query], args, each))
}

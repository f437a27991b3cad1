package mysqlstore

import (
	"cmp"
	"context"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/mysqldb"
	"github.com/sqlsessions/sessions/internal/native"
)

func (t *table) LoadRow(ctx context.Context, l native.Lookup) (row native.Row, err error) {
	r := newReader()
	r.id = rowID(l.Key)
	if err := t.db.QueryRow(ctx, t.sql[load], []any{r.id[:]}, r.dest[1:]...); err != nil {
		return row, native.Missing(err)
	}
	return r.row(&l)
}

func (t *table) CreateRow(ctx context.Context, w native.Write) (driver.SaveResult, error) {
	var idle any = idle(w.Life)
	_, err := t.exec(ctx, create, native.BytesOf(w.Key), []byte(w.Verifier), null(w.User), null(w.Label), w.Data,
		int64(w.NewVersion), w.Pending, w.Authenticated, span(w.Keep), w.Life.Absolute.Microseconds(), idle, idle)
	return driver.SaveResult{Version: w.NewVersion}, err
}

func (t *table) SaveRow(ctx context.Context, w native.Write) (driver.SaveResult, error) {
	var id, proof any = native.BytesOf(w.Key), []byte(w.From.Verifier)
	var idle, absolute any = idle(w.Life), span(w.Life.Absolute)
	query, args := save[0], make([]any, 0, 16)
	if w.Verifier != w.From.Verifier {
		query, args = save[1], append(args, []byte(w.Verifier), previous(&w), span(w.Grace))
	}
	n, err := t.exec(ctx, query, append(args, null(w.User), null(w.Label), w.Data, int64(w.NewVersion), w.Pending,
		w.Authenticated, idle, idle, absolute, absolute, id, proof, int64(w.Version))...)
	if err == nil && n == 0 {
		err = cmp.Or(t.check(ctx, w.From, id), driver.ErrConflict)
	}
	return driver.SaveResult{Version: w.NewVersion}, err
}

// check returns nil if the row is there and has this verifier.
func (t *table) check(ctx context.Context, ref driver.Ref, id any) error {
	var verifier []byte
	err := native.Missing(t.db.QueryRow(ctx, t.sql[state], []any{id}, &verifier))
	if err == nil && !native.Proves(ref.Verifier, driver.Verifier(verifier)) {
		err = driver.ErrNotFound
	}
	return err
}

func (t *table) TouchRow(ctx context.Context, w native.Write) (none driver.SaveResult, err error) {
	var throttle any = w.Life.Throttle.Microseconds()
	result, err := mysqldb.Run(ctx, t.db, t.sql[touch], throttle, w.Life.Idle.Microseconds(), throttle, native.BytesOf(w.Key), []byte(w.From.Verifier))
	if err != nil {
		return none, err
	}
	there, err := result.LastInsertId()
	if err == nil && there == 0 { // or a trigger of the operator's has run statements of its own
		err = t.check(ctx, w.From, native.BytesOf(w.Key))
	}
	return none, err
}

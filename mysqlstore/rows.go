package mysqlstore

import (
	"cmp"
	"context"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/mysqldb"
	"github.com/sqlsessions/sessions/internal/native"
)

func (t *table) LoadRow(ctx context.Context, l native.Lookup) (row driver.Row, err error) {
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
		int64(w.NewVersion), w.Authenticated, w.Life.Absolute.Microseconds(), idle, idle)
	return driver.SaveResult{Version: w.NewVersion}, err
}

func (t *table) SaveRow(ctx context.Context, w native.Write) (driver.SaveResult, error) {
	var id, proof any = native.BytesOf(w.Key), []byte(w.From.Verifier)
	verifier := proof
	if w.Verifier != w.From.Verifier {
		verifier = []byte(w.Verifier)
	}
	var idle, absolute any = idle(w.Life), restart(w.Life)
	n, err := t.exec(ctx, save, verifier, null(w.User), null(w.Label), w.Data, int64(w.NewVersion),
		w.Authenticated, idle, idle, absolute, absolute, id, proof, int64(w.Version))
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
	var idle any = w.Life.Idle.Microseconds()
	result, err := mysqldb.Run(ctx, t.db, t.sql[touch], idle, w.Life.Throttle.Microseconds(), idle, native.BytesOf(w.Key), []byte(w.From.Verifier))
	if err != nil {
		return none, err
	}
	if there, err := result.LastInsertId(); err != nil || there == 0 {
		return none, cmp.Or(err, driver.ErrNotFound)
	}
	return none, nil
}

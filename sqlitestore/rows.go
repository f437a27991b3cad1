package sqlitestore

import (
	"cmp"
	"context"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

func (t *table) LoadRow(ctx context.Context, l native.Lookup) (native.Row, error) {
	row, err := scan(&l, func(dest ...any) error { return t.queryRow(ctx, load, []any{native.BytesOf(l.Key)}, dest...) })
	return row, native.Missing(err)
}

func (t *table) CreateRow(ctx context.Context, w native.Write) (driver.SaveResult, error) {
	n, err := t.exec(ctx, create, native.BytesOf(w.Key), []byte(w.Verifier), w.Life.Idle.Milliseconds(), w.Life.Absolute.Milliseconds(),
		int64(w.NewVersion), w.User, w.Label, string(w.Data), w.Authenticated, w.Pending, w.Keep.Milliseconds())
	if err == nil && n == 0 {
		err = driver.ErrExists
	}
	return driver.SaveResult{Version: w.NewVersion}, err
}

func (t *table) SaveRow(ctx context.Context, w native.Write) (driver.SaveResult, error) {
	n, err := t.exec(ctx, save, native.BytesOf(w.Key), []byte(w.From.Verifier), w.Life.Idle.Milliseconds(), w.Life.Absolute.Milliseconds(),
		int64(w.NewVersion), w.User, w.Label, string(w.Data), w.Authenticated, []byte(w.Verifier), int64(w.Version),
		w.Pending, w.Grace.Milliseconds())
	if err == nil && n == 0 {
		err = cmp.Or(t.check(ctx, w), driver.ErrConflict)
	}
	return driver.SaveResult{Version: w.NewVersion}, err
}

// check returns nil if the row is there and has this verifier.
func (t *table) check(ctx context.Context, w native.Write) error {
	var one int
	return native.Missing(t.queryRow(ctx, state, []any{native.BytesOf(w.Key), []byte(w.From.Verifier)}, &one))
}

// TouchRow looks for the row in a second statement if nothing moved. A single one would
// have to write the row each time to count it, and reading in this process costs less. A
// touch that is due is one statement.
func (t *table) TouchRow(ctx context.Context, w native.Write) (none driver.SaveResult, err error) {
	n, err := t.exec(ctx, touch, native.BytesOf(w.Key), []byte(w.From.Verifier), w.Life.Idle.Milliseconds(), w.Life.Throttle.Milliseconds())
	if err == nil && n == 0 {
		err = t.check(ctx, w)
	}
	return none, err
}

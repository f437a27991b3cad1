package pgsimple

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/retry"
)

// EndRow implements [row.Table].
func (t *table) EndRow(ctx context.Context, sid string, version any) (deleted, live bool, err error) {
	err = t.get(ctx, retry.Many, []any{&live}, end, sid, version)
	if errors.Is(err, driver.ErrNotFound) && version != nil { // it may have another version
		return false, false, nil
	}
	return err == nil, live, err
}

// Text implements [row.Table].
func (t *table) Text(ctx context.Context, sid string) (data []byte, err error) {
	err = t.get(ctx, 1, []any{&data}, text, sid)
	return data, err
}

// FindID implements [row.Table].
func (t *table) FindID(ctx context.Context, id driver.ID) (sid string, data []byte, err error) {
	err = t.get(ctx, 1, []any{&sid, &data}, byID, string(id))
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

// EndRows implements [row.Table].
func (t *table) EndRows(ctx context.Context, except []driver.ID, limit int) (ended int, err error) {
	ids, err := json.Marshal(append([]driver.ID{}, except...)) // [], not null
	if err != nil {
		return 0, err
	}
	err = t.get(ctx, retry.Many, []any{&ended}, endAll, string(ids), limit)
	if err != nil || ended == limit {
		return ended, err
	}
	var rest int
	err = t.get(ctx, retry.Many, []any{&rest}, endRest, string(ids))
	return min(ended+rest, limit), err // more than that only if rows came or moved while it ran
}

// ListRows implements [row.Table].
func (t *table) ListRows(ctx context.Context, after driver.ID, quoted string, limit int) ([]driver.Row, error) {
	if quoted != "" {
		return t.read(ctx, listUser, string(after), limit, quoted)
	}
	return t.read(ctx, list, string(after), limit)
}

// Page implements [row.Table].
func (t *table) Page(ctx context.Context, after driver.Verifier, limit int) ([]driver.Row, error) {
	return t.read(ctx, inOrder, string(after), limit)
}

// Stats implements [row.Table].
func (t *table) Stats(ctx context.Context) (n driver.Stats, err error) {
	err = t.get(ctx, 1, []any{&n.Live, &n.Dead}, stats)
	return n, err
}

// Reap implements [row.Table].
func (t *table) Reap(ctx context.Context, limit int) (deleted int, err error) {
	err = t.get(ctx, retry.Few, []any{&deleted}, reap, limit)
	return deleted, err
}

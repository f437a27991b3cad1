package pgsimple

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
)

// get runs a statement that returns one value, and again if PostgreSQL undid it.
func (t *table) get(ctx context.Context, tries int, dest any, query stmt.ID, args ...any) error {
	return row.Answer(ctx, retry.Do(ctx, tries, pgerr.Transient, func() error {
		return t.db.QueryRowContext(ctx, t.sql[query], args...).Scan(dest)
	}))
}

func (t *table) Query(ctx context.Context, query stmt.ID, args []any, each func(scan func(...any) error) error) error {
	return row.Answer(ctx, row.Each(ctx, t.db, each, t.sql[query], args...))
}

func (t *table) CreateRow(ctx context.Context, req driver.CreateRequest, text string) (version driver.Version, err error) {
	err = t.get(ctx, retry.Many, &version, create, string(req.Verifier), row.Idle(req.Life), text)
	if errors.Is(err, driver.ErrNotFound) {
		err = driver.ErrExists
	}
	return version, err
}

func (t *table) SaveRow(ctx context.Context, req driver.SaveRequest, text string) (version driver.Version, err error) {
	err = t.get(ctx, retry.Many, &version, save,
		string(req.From.Verifier), row.Idle(req.Life), int64(req.Version), text, string(req.Verifier))
	return version, err
}

func (t *table) TouchRow(ctx context.Context, req driver.TouchRequest) (certain bool, err error) {
	err = t.get(ctx, retry.Many, &certain, touch,
		string(req.Verifier), req.Life.Idle.Microseconds(), req.Life.Throttle.Microseconds())
	return certain, err
}

func (t *table) EndRow(ctx context.Context, sid driver.Verifier, version any) (deleted, live bool, err error) {
	err = t.get(ctx, retry.Many, &live, end, string(sid), version)
	if errors.Is(err, driver.ErrNotFound) && version != nil { // it may have another version
		return false, false, nil
	}
	return err == nil, live, err
}

func (t *table) FindRows(ctx context.Context, sids []driver.Verifier, each func(scan func(...any) error) error) error {
	texts := make([]string, len(sids)) // a Verifier itself does not show what it is
	for i, sid := range sids {
		texts[i] = string(sid)
	}
	asked, err := json.Marshal(texts)
	if err != nil {
		return err
	}
	return t.Query(ctx, find, []any{string(asked)}, each)
}

func (t *table) EndRows(ctx context.Context, except []driver.ID, limit int) (ended int, err error) {
	ids, err := json.Marshal(append([]driver.ID{}, except...)) // [], not null
	if err != nil {
		return 0, err
	}
	err = t.get(ctx, retry.Many, &ended, endAll, string(ids), limit)
	if err != nil || ended == limit {
		return ended, err
	}
	var rest int
	err = t.get(ctx, retry.Many, &rest, endRest, string(ids))
	return min(ended+rest, limit), err // more than that only if rows came or moved while it ran
}

func (t *table) ReapRows(ctx context.Context, limit int) (deleted int, err error) {
	err = t.get(ctx, retry.Few, &deleted, reap, limit)
	return deleted, err
}

package pgsimple

import (
	"context"
	"errors"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
	"github.com/sqlsessions/sessions/internal/retry"
)

func (t *table) CreateRow(ctx context.Context, req driver.CreateRequest, text string) (result driver.SaveResult, err error) {
	err = t.get(ctx, retry.Many, []any{&result.Version}, create, string(req.Verifier), row.Idle(req.Life), text)
	if errors.Is(err, driver.ErrNotFound) {
		err = driver.ErrExists
	}
	return result, err
}

func (t *table) SaveRow(ctx context.Context, req driver.SaveRequest, text string) (result driver.SaveResult, err error) {
	err = t.get(ctx, retry.Many, []any{&result.Version}, save,
		string(req.From.Verifier), row.Idle(req.Life), int64(req.Version), text, string(req.Verifier))
	if errors.Is(err, driver.ErrNotFound) {
		if err = t.check(ctx, req.From.Verifier); err == nil {
			err = driver.ErrConflict
		}
	}
	return result, err
}

// check returns nil if the row is there.
func (t *table) check(ctx context.Context, sid driver.Verifier) error {
	var yes bool
	return t.get(ctx, 1, []any{&yes}, exists, string(sid))
}

func (t *table) TouchRow(ctx context.Context, req driver.TouchRequest) error {
	var certain bool
	err := t.get(ctx, retry.Many, []any{&certain}, touch,
		string(req.Verifier), req.Life.Idle.Microseconds(), req.Life.Throttle.Microseconds())
	if err == nil && !certain {
		err = t.check(ctx, req.Verifier)
	}
	return err
}

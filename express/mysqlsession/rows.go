package mysqlsession

import (
	"context"
	"errors"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
)

func (t *table) CreateRow(ctx context.Context, req driver.CreateRequest, text string) (result driver.SaveResult, err error) {
	version, err := t.version(ctx, text)
	if err == nil {
		_, err = t.exec(ctx, create, []byte(req.Verifier), row.Idle(req.Life), text)
	}
	if err != nil {
		return result, err
	}
	return driver.SaveResult{Version: version}, nil
}

// version returns the version of a row with this text. The row can't be asked for that
// when it is written: by then another request may have written it again.
func (t *table) version(ctx context.Context, text string) (version driver.Version, err error) {
	if !t.shape.json {
		return row.Version([]byte(text)), nil
	}
	err = t.queryRow(ctx, versionOf, []any{text}, &version)
	return version, err
}

func (t *table) SaveRow(ctx context.Context, req driver.SaveRequest, text string) (result driver.SaveResult, err error) {
	version, err := t.version(ctx, text)
	if err != nil {
		return result, err
	}
	sid := []byte(req.From.Verifier)
	err = t.update(ctx, save, []byte(req.Verifier), row.Idle(req.Life), text, sid, sid, int64(req.Version))
	if errors.Is(err, driver.ErrNotFound) {
		var live bool
		if err = t.queryRow(ctx, exists, []any{sid, sid}, &live); err == nil {
			err = driver.ErrConflict
		}
	}
	if err != nil {
		return result, err
	}
	return driver.SaveResult{Version: version}, nil
}

func (t *table) TouchRow(ctx context.Context, req driver.TouchRequest) error {
	sid, idle := []byte(req.Verifier), req.Life.Idle.Microseconds()
	return t.update(ctx, touch, idle, idle-req.Life.Throttle.Microseconds(), idle, sid, sid)
}

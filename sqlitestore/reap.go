package sqlitestore

import (
	"context"

	"github.com/sqlsessions/sessions/driver"
)

func (t *table) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	postponed, err := t.exec(ctx, postpone, req.Limit)
	if err != nil {
		return driver.ReapResult{}, err
	}
	deleted, err := t.exec(ctx, reap, req.Limit)
	if err != nil {
		return driver.ReapResult{}, err
	}
	return driver.ReapResult{Deleted: int(deleted), More: postponed+deleted >= int64(req.Limit)}, nil
}

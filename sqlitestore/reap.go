package sqlitestore

import (
	"context"

	"github.com/sqlsessions/sessions/driver"
)

// Reap implements [driver.Store].
func (s *Store) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	postponed, err := s.exec(ctx, s.sql.postpone, req.Limit)
	if err != nil {
		return driver.ReapResult{}, s.wrap("reap", err)
	}
	deleted, err := s.exec(ctx, s.sql.reap, req.Limit)
	if err != nil {
		return driver.ReapResult{}, s.wrap("reap", err)
	}
	return driver.ReapResult{Deleted: int(deleted), More: postponed+deleted >= int64(req.Limit)}, nil
}

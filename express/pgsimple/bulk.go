package pgsimple

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/retry"
)

func (t *table) EndRow(ctx context.Context, sid driver.Verifier, version any) (deleted, live bool, err error) {
	err = t.get(ctx, retry.Many, []any{&live}, end, string(sid), version)
	if errors.Is(err, driver.ErrNotFound) && version != nil { // it may have another version
		return false, false, nil
	}
	return err == nil, live, err
}

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

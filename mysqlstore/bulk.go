package mysqlstore

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/myerr"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/retry"
	"github.com/sqlsessions/sessions/internal/stmt"
	"github.com/sqlsessions/sessions/internal/uuid"
)

func (t *table) End(ctx context.Context, req driver.EndRequest) error {
	id, user := native.KeyBytes(req.ID), []any{true, nil}
	if req.User != nil {
		user = []any{false, null(*req.User)}
	}
	n, err := t.exec(ctx, end, slices.Concat(ended(req.Reason, req.Keep), []any{id}, user, []any{req.Version == 0, int64(req.Version)})...)
	if err != nil || n > 0 {
		return err
	}
	if req.Version != 0 {
		err = native.Missing(t.db.QueryRow(ctx, t.sql[standing], append([]any{id}, user...), new(int64)))
		return cmp.Or(err, driver.ErrConflict)
	}
	return driver.ErrNotFound
}

// ended returns the parameters of $ENDED.
func ended(reason string, keep time.Duration) []any {
	return []any{int64(native.NewVersion()), []byte(reason), keep.Microseconds(), keep.Microseconds()}
}

// EndAll keeps no lock from one statement to the next, so each of them says which rows
// it is about: one that became another user's in between is spared.
func (t *table) EndAll(ctx context.Context, req driver.EndAllRequest) (result driver.EndAllResult, err error) {
	except := make(map[rowID]bool, len(req.Except))
	for _, id := range req.Except {
		except[rowID(native.KeyBytes(id))] = true
	}
	which, selected := native.Selection(req.User, req.Label)
	after := from(req.After)
	for result.Ended < req.Limit {
		limit, found := req.Limit-result.Ended, 0
		var keys []any
		err := t.query(ctx, endAllFind[which], slices.Concat(selected, []any{after, limit}), func(scan func(...any) error) error {
			var id rowID
			err := scan(&id)
			found, after = found+1, id[:]
			if !except[id] {
				keys = append(keys, id[:])
				result.Last = driver.ID(uuid.Format(id))
			}
			return err
		})
		if err != nil {
			return result, err
		}
		err = retry.Do(ctx, retry.Many, myerr.Undone, func() error {
			n, err := t.execKeys(ctx, t.db.DB, endAllKeys[which], ended(req.Reason, req.Keep), keys, selected...)
			result.Ended += n // also if a later part of them was undone
			return err
		})
		if err != nil || found < limit {
			return result, err
		}
	}
	result.More = true
	return result, nil
}

// from returns the key after which a page begins.
func from(after driver.ID) []byte {
	if after == "" {
		return []byte{}
	}
	return native.KeyBytes(after)
}

func (t *table) PutMark(ctx context.Context, m native.Mark) error {
	var version, keep any = int64(native.NewVersion()), m.Keep.Microseconds()
	_, err := t.exec(ctx, putMark, native.KeyBytes(m.ID), m.Data, version, keep, keep, m.Data, version, keep)
	return err
}

func (t *table) Marks(ctx context.Context, ids []driver.ID) ([]native.Mark, error) {
	if !t.galeraless.Load() {
		found, err := t.marks(ctx, marks[0], ids)
		if !myerr.UnknownVariable(err) {
			return found, err
		}
		t.galeraless.Store(true)
	}
	return t.marks(ctx, marks[1], ids)
}

func (t *table) marks(ctx context.Context, query stmt.ID, ids []driver.ID) (found []native.Mark, err error) {
	err = t.queryKeys(ctx, query, keysOf(ids), func(scan func(...any) error) error {
		var id rowID
		var m native.Mark
		var age integer
		err := scan(&id, &m.Data, &age)
		m.ID, m.Age = driver.ID(uuid.Format(id)), duration(age)
		found = append(found, m)
		return err
	})
	return found, err
}

func (t *table) Endings(ctx context.Context, ids []driver.ID) (found []driver.Ending, err error) {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = hex.EncodeToString(native.KeyBytes(id))
	}
	array, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	err = t.query(ctx, endings, []any{array}, func(scan func(...any) error) error {
		var id rowID
		var reason text
		var gone, idle, ended, expired integer
		err := scan(&id, &gone, &reason, &ended, &expired, &idle)
		e := driver.Ending{ID: driver.ID(uuid.Format(id)), Reason: string(reason), Gone: gone != 0}
		switch {
		case ended != 0:
			e.At = instant(ended)
		case !e.Gone:
			e.At, e.Idle = instant(expired), idle != 0
		}
		found = append(found, e)
		return err
	})
	return found, err
}

func keysOf(ids []driver.ID) []any {
	keys := make([]any, len(ids))
	for i, id := range ids {
		keys[i] = native.KeyBytes(id)
	}
	return keys
}

func (t *table) List(ctx context.Context, req driver.ListRequest) (found []driver.Row, err error) {
	which, selected := native.Selection(req.User, req.Label)
	if req.ID != "" {
		which, selected = native.ByID, []any{native.KeyBytes(req.ID)}
	}
	query, args := list[which], slices.Concat(selected, []any{from(req.After), req.Limit})
	if req.Newest {
		query, args = listNewest, []any{req.User, req.Limit}
	}
	r := newReader()
	err = t.query(ctx, query, args, func(scan func(...any) error) error {
		err := scan(r.dest[:]...)
		found = append(found, r.listed())
		return err
	})
	return found, err
}

func (t *table) Stats(ctx context.Context) (n driver.Stats, err error) {
	err = t.db.QueryRow(ctx, t.sql[stats], nil, &n.Live, &n.Ended, &n.Dead)
	return n, err
}

package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
	"github.com/sqlsessions/sessions/internal/stmt"
)

func (t *table) End(ctx context.Context, req driver.EndRequest) error {
	var user any
	if req.User != nil {
		user = *req.User
	}
	id := native.KeyBytes(req.ID)
	n, err := t.exec(ctx, end, id, user, int64(req.Version), int64(native.NewVersion()), req.Reason, req.Keep.Milliseconds())
	if err != nil || n > 0 {
		return err
	}
	var version driver.Version
	err = native.Missing(t.queryRow(ctx, standing, []any{id, user}, &version))
	if err == nil && (req.Version == 0 || req.Version == version) {
		err = native.Kept(t.name)
	}
	return cmp.Or(err, driver.ErrConflict)
}

func (t *table) EndAll(ctx context.Context, req driver.EndAllRequest) (result driver.EndAllResult, err error) {
	except, err := array(req.Except)
	if err != nil {
		return result, err
	}
	which, _ := native.Selection(req.User, req.Label)
	args := []any{
		afterBytes(req.After), req.Limit, cmp.Or(req.User, req.Label), int64(native.NewVersion()), req.Reason, req.Keep.Milliseconds(), except,
	}
	// All rows are read: some drivers report only then that SQLite could not commit, and
	// undid the statement.
	err = t.write(ctx, func() error {
		result = driver.EndAllResult{}
		return t.Query(ctx, t.sql[endAll[which]], args, func(from func(...any) error) error {
			var id []byte
			err := from(&id)
			result.Ended++
			result.Last = max(result.Last, idOf(id))
			return err
		})
	})
	if err != nil {
		return driver.EndAllResult{}, err
	}
	result.More = result.Ended == req.Limit
	return result, nil
}

// array returns the IDs as a JSON array, never as null.
func array(ids []driver.ID) (string, error) {
	text, err := json.Marshal(append([]driver.ID{}, ids...))
	return string(text), err
}

func (t *table) PutMark(ctx context.Context, m native.Mark) error {
	_, err := t.exec(ctx, putMark, native.KeyBytes(m.ID), int64(native.NewVersion()), string(m.Data), m.Keep.Milliseconds())
	return err
}

func (t *table) Marks(ctx context.Context, ids []driver.ID) (found []native.Mark, err error) {
	err = t.readEach(ctx, marks, ids, func() { found = nil }, func(from func(...any) error) error {
		var m native.Mark
		var id []byte
		var age int64
		err := from(&id, &m.Data, &age)
		// Both times are whole milliseconds, so the mark may be almost one younger than that, and
		// a sign-in that began just before it must not seem to have begun after it.
		m.ID, m.Age = idOf(id), native.Duration(age, time.Millisecond)-time.Millisecond
		found = append(found, m)
		return err
	})
	return found, err
}

func (t *table) Endings(ctx context.Context, ids []driver.ID) (found []driver.Ending, err error) {
	err = t.readEach(ctx, endings, ids, func() { found = nil }, func(from func(...any) error) error {
		var e driver.Ending
		var ended, expired sql.NullInt64
		err := from(&e.ID, &e.Gone, &e.Reason, &ended, &expired, &e.Idle)
		switch {
		case ended.Valid:
			e.At, e.Idle = time.UnixMilli(ended.Int64), false
		case expired.Valid:
			e.At = time.UnixMilli(expired.Int64)
		}
		found = append(found, e)
		return err
	})
	return found, err
}

// readEach reads rows by their IDs, from the first again if SQLite was busy.
func (t *table) readEach(ctx context.Context, query stmt.ID, ids []driver.ID, reset func(), each func(from func(...any) error) error) error {
	asked, err := array(ids)
	if err != nil {
		return err
	}
	return t.whenFree(ctx, func() error {
		reset()
		return t.Query(ctx, t.sql[query], []any{asked}, each)
	})
}

package torture_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/internal/altered"
)

// remove deletes a row, so that it can be made again.
func remove(ctx context.Context, w *world, id driver.ID) {
	_, _ = w.admin.DB.ExecContext(ctx, "DELETE FROM "+w.admin.Name+" WHERE id = "+w.admin.Literal(id))
}

var day = driver.Life{Idle: 24 * time.Hour, Absolute: 48 * time.Hour}

func oneIn(n int) bool { return rand.IntN(n) == 0 }

// hasty makes the database one that answers before a commit is on the disk, on connections to come.
func hasty(w *world, _ *node, s driver.Store) driver.Store {
	_, err := w.admin.DB.ExecContext(w.Context(), "ALTER ROLE CURRENT_USER SET synchronous_commit = off")
	testbed.Check(w, err)
	return s
}

// The promises that a store switches off.
var brokenStores = map[string]setup{
	"a save makes a row that has ended again": {spoil: func(w *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			result, err := s.Save(ctx, req)
			if !errors.Is(err, driver.ErrNotFound) {
				return result, err
			}
			remove(ctx, w, req.From.ID)
			return s.Create(ctx, driver.CreateRequest{Ref: driver.Ref{ID: req.From.ID, Verifier: req.Verifier}, User: req.User, Data: req.Data, Life: day})
		}}
	}},
	"a touch makes a row that has ended again": {spoil: func(w *world, _ *node, s driver.Store) driver.Store {
		var last sync.Map
		return &altered.Store{
			Store: s,
			OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
				row, err := s.Load(ctx, ref)
				if err == nil {
					last.Store(ref.ID, row)
				}
				return row, err
			},
			OnTouch: func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
				result, err := s.Touch(ctx, req)
				row, known := last.Load(req.ID)
				if !errors.Is(err, driver.ErrNotFound) || !known {
					return result, err
				}
				remove(ctx, w, req.ID)
				was := row.(driver.Row)
				_, err = s.Create(ctx, driver.CreateRequest{Ref: req.Ref, User: was.User, Data: was.Data, Life: day})
				return driver.SaveResult{}, err
			},
		}
	}},
	"a save looks at no version": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			for {
				result, err := s.Save(ctx, req)
				if !errors.Is(err, driver.ErrConflict) {
					return result, err
				}
				row, err := s.Load(ctx, req.From)
				if err != nil {
					return result, err
				}
				req.Version = row.Version
			}
		}}
	}},
	"a save that was carried out is said to conflict": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			result, err := s.Save(ctx, req)
			if err == nil && req.Verifier == req.From.Verifier && oneIn(50) {
				err = driver.ErrConflict
			}
			return result, err
		}}
	}},
	"the answer leaves before the save": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			if req.Pending || !oneIn(20) {
				return s.Save(ctx, req)
			}
			go func() {
				time.Sleep(5 * time.Millisecond)
				_, _ = s.Save(context.WithoutCancel(ctx), req)
			}()
			return driver.SaveResult{Version: driver.Version(rand.Int64())}, nil
		}}
	}},
	"an ending is forgotten": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEnd: func(ctx context.Context, req driver.EndRequest) error {
			if oneIn(20) {
				return nil
			}
			return s.End(ctx, req)
		}}
	}},
	"an ending of many misses some": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
			if rows, err := s.List(ctx, driver.ListRequest{User: req.User, All: req.All, Limit: 10}); err == nil && len(rows) > 0 && oneIn(10) {
				req.Except = append(req.Except, rows[0].ID)
			}
			return s.EndAll(ctx, req)
		}}
	}},
	"an ending looks at no user": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEnd: func(ctx context.Context, req driver.EndRequest) error {
			req.User = nil
			return s.End(ctx, req)
		}}
	}},
	"reads are stale": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		type kept struct {
			row driver.Row
			at  time.Time
		}
		var cache sync.Map
		return &altered.Store{Store: s, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			if k, ok := cache.Load(ref); ok && time.Since(k.(kept).at) < 30*time.Millisecond {
				return k.(kept).row, nil
			}
			row, err := s.Load(ctx, ref)
			if err == nil {
				cache.Store(ref, kept{row, time.Now()})
			}
			return row, err
		}}
	}},
	"a revocation leaves no mark": {rule: "was signed in before a revocation", spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
			req.Mark.Number = 0
			return s.EndAll(ctx, req)
		}}
	}},
	"a token that was replaced works on": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := s.Load(ctx, ref)
			if _, replaced := errors.AsType[*driver.ReplacedError](err); !replaced {
				return row, err
			}
			rows, err := s.List(ctx, driver.ListRequest{ID: ref.ID, Limit: 1})
			if err != nil || len(rows) == 0 {
				return row, driver.ErrNotFound
			}
			rows[0].Previous = true
			return rows[0], nil
		}}
	}},
	"each token that was replaced has a grace": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			req.Grace = time.Minute
			return s.Save(ctx, req)
		}}
	}},
	"sessions are mixed up": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		var last sync.Map
		return &altered.Store{Store: s, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := s.Load(ctx, ref)
			if err != nil {
				return row, err
			}
			if other, ok := last.Swap(0, row); ok && oneIn(200) {
				row.Data, row.User = other.(driver.Row).Data, other.(driver.Row).User
			}
			return row, nil
		}}
	}},
	"the reason of an ending is lost": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEndings: func(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
			endings, err := s.Endings(ctx, refs)
			for i := range endings {
				if oneIn(5) && endings[i].Reason != "" {
					endings[i].Reason = string(sessions.ReasonEvicted)
				}
			}
			return endings, err
		}}
	}},
	"a list leaves sessions out": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnList: func(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
			rows, err := s.List(ctx, req)
			if len(rows) > 1 && !req.Newest && oneIn(10) {
				rows = rows[:len(rows)-1]
			}
			return rows, err
		}}
	}},
	"a touch moves nothing": {short: true, spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnTouch: func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
			req.Life.Throttle = time.Minute
			return s.Touch(ctx, req)
		}}
	}},
	"a logout ends none of several sessions that a request presented": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEnd: func(ctx context.Context, req driver.EndRequest) error {
			if rec := recordOf(ctx); rec != nil && len(rec.cookies) == 2 && rec.seen.New && req.User == nil {
				return nil
			}
			return s.End(ctx, req)
		}}
	}},
	"a write that the server refused is taken for done": {faults: true, timeout: 2 * time.Second, spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			result, err := s.Save(ctx, req)
			if err != nil && strings.Contains(err.Error(), "as told") {
				return driver.SaveResult{Version: driver.Version(rand.Int64())}, nil
			}
			return result, err
		}}
	}},
	"a server that is killed forgets what it answered": {faults: true, crashes: true, timeout: 2 * time.Second, spoil: hasty},
	"a save that was carried out is said to have found the session ended": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			result, err := s.Save(ctx, req)
			if err == nil && req.Verifier == req.From.Verifier && oneIn(50) {
				err = driver.ErrNotFound
			}
			return result, err
		}}
	}},
	"a revocation of what has ended seems to end it": {spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEnd: func(ctx context.Context, req driver.EndRequest) error {
			err := s.End(ctx, req)
			if req.User != nil && errors.Is(err, driver.ErrNotFound) {
				err = nil
			}
			return err
		}}
	}},
	"lists fail": {rule: "a list fails", spoil: func(_ *world, _ *node, s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnList: func(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
			if req.User != "" && !req.Newest && oneIn(5) {
				return nil, errors.New("broken")
			}
			return s.List(ctx, req)
		}}
	}},
}

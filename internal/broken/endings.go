package broken

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/altered"
)

// endings are ways to break End, EndAll and what is left of a row that ended.
var endings = []Kind{
	{"end misses one in 200", "End ends the row", func(s driver.Store) driver.Store {
		var calls atomic.Int64
		return &altered.Store{Store: s, OnEnd: func(ctx context.Context, req driver.EndRequest) error {
			if calls.Add(1)%200 == 0 {
				_, err := look(ctx, s, req.ID)
				return err
			}
			return s.End(ctx, req)
		}}
	}},
	{"end all misses one in 200", "when EndAll is through, no row that it selected is live", func(s driver.Store) driver.Store {
		var rows atomic.Int64
		return &altered.Store{Store: s, OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
			if req.Check() != nil {
				return s.EndAll(ctx, req)
			}
			found, err := s.List(ctx, driver.ListRequest{User: req.User, Label: req.Label, All: req.All, After: req.After, Limit: req.Limit})
			for _, row := range found {
				if err == nil && rows.Add(1)%200 == 0 {
					req.Except = append(slices.Clip(req.Except), row.ID)
				}
			}
			return s.EndAll(ctx, req)
		}}
	}},
	{"end all stops after a page", "EndAll says when there may be more", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
			result, err := s.EndAll(ctx, req)
			result.More = false
			return result, err
		}}
	}},
	{"an ending that a touch undoes", "a row that is not live never becomes live again", func(s driver.Store) driver.Store {
		return forgetful(s, true)
	}},
	{"an ending that a save undoes", "a row that is not live never becomes live again", func(s driver.Store) driver.Store {
		return forgetful(s, false)
	}},
	{"end ignores the user", "End of another user's row is ErrNotFound", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEnd: func(ctx context.Context, req driver.EndRequest) error {
			req.User = nil
			return s.End(ctx, req)
		}}
	}},
	{"end ignores the version", "End of another version is ErrConflict", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEnd: func(ctx context.Context, req driver.EndRequest) error {
			req.Version = 0
			return s.End(ctx, req)
		}}
	}},
	{"end needs the verifier", "End ends the row, whatever its verifier has become", func(s driver.Store) driver.Store {
		var first sync.Map // verifiers by ID
		return &altered.Store{
			Store: s,
			OnCreate: func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
				result, err := s.Create(ctx, req)
				if err == nil {
					first.Store(req.ID, req.Verifier)
				}
				return result, err
			},
			OnEnd: func(ctx context.Context, req driver.EndRequest) error {
				row, err := look(ctx, s, req.ID)
				if verifier, ok := first.Load(req.ID); err == nil && ok && row.Verifier != verifier {
					return driver.ErrNotFound
				}
				return s.End(ctx, req)
			},
		}
	}},
	{"end all ignores the exceptions", "EndAll spares the rows of Except", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
			if req.Check() == nil {
				req.Except = nil
			}
			return s.EndAll(ctx, req)
		}}
	}},
	{"no selection ends everything", "EndAll without a selection is ErrInvalid", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
			if req.User == "" && req.Label == "" {
				req.All = true
			}
			return s.EndAll(ctx, req)
		}}
	}},
	{"endings without reasons", "Endings returns the reason that End was given", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEndings: func(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
			endings, err := s.Endings(ctx, refs)
			for i := range endings {
				endings[i].Reason = ""
			}
			return endings, err
		}}
	}},
	{"endings leave out what is not there", "Endings reports a row that is not there as gone", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEndings: func(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
			endings, err := s.Endings(ctx, refs)
			kept := endings[:0]
			for _, e := range endings {
				if !e.Gone {
					kept = append(kept, e)
				}
			}
			return kept, err
		}}
	}},
	{"ended rows are not kept", "Reap leaves an ended row for as long as its ending says", func(s driver.Store) driver.Store {
		return &altered.Store{
			Store: s,
			OnEnd: func(ctx context.Context, req driver.EndRequest) error {
				req.Keep = 0
				return s.End(ctx, req)
			},
			OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
				req.Keep = 0
				return s.EndAll(ctx, req)
			},
		}
	}},
	{"no marks", "EndAll notes the mark", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
			req.Mark = driver.Mark{}
			return s.EndAll(ctx, req)
		}}
	}},
	{"marks after the rows", "the mark is committed before the first row ends", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
			mark := req.Mark
			req.Mark = driver.Mark{}
			result, err := s.EndAll(ctx, req)
			if err != nil || mark.Number == 0 || req.After != "" {
				return result, err
			}
			time.Sleep(time.Millisecond) // a second statement takes some time
			req.Mark = mark
			more, err := s.EndAll(ctx, req)
			result.Ended, result.More = result.Ended+more.Ended, more.More
			if more.Last > result.Last {
				result.Last = more.Last
			}
			return result, err
		}}
	}},
}

// forgetful returns a store that only remembers which rows ended. A touch or a save of one
// makes it forget that.
func forgetful(s driver.Store, touch bool) driver.Store {
	var ended sync.Map // IDs
	is := func(id driver.ID) bool { _, ok := ended.Load(id); return ok }
	return &altered.Store{
		Store: s,
		OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			if is(ref.ID) {
				return driver.Row{}, driver.ErrNotFound
			}
			return s.Load(ctx, ref)
		},
		OnEnd: func(ctx context.Context, req driver.EndRequest) error {
			row, err := look(ctx, s, req.ID)
			switch {
			case err != nil:
				return err
			case is(req.ID) || req.User != nil && *req.User != row.User:
				return driver.ErrNotFound
			case req.Version != 0 && req.Version != row.Version:
				return driver.ErrConflict
			}
			ended.Store(req.ID, true)
			return nil
		},
		OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			if is(req.From.ID) && touch {
				return driver.SaveResult{}, driver.ErrNotFound
			}
			result, err := s.Save(ctx, req)
			if err == nil {
				ended.Delete(req.From.ID)
			}
			return result, err
		},
		OnTouch: func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
			if is(req.ID) && !touch {
				return driver.SaveResult{}, driver.ErrNotFound
			}
			result, err := s.Touch(ctx, req)
			if err == nil {
				ended.Delete(req.ID)
			}
			return result, err
		},
		OnList: func(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
			rows, err := s.List(ctx, req)
			kept := rows[:0]
			for _, row := range rows {
				if !is(row.ID) {
					kept = append(kept, row)
				}
			}
			return kept, err
		},
		OnStats: func(ctx context.Context) (driver.Stats, error) {
			stats, err := s.Stats(ctx)
			ended.Range(func(any, any) bool { stats.Live--; return true })
			return stats, err
		},
	}
}

package broken

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/altered"
)

// tables are ways to break List, Stats and Reap.
var tables = []Kind{
	{"list leaves out a row", "List returns all live rows that it selects", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnList: func(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
			rows, err := s.List(ctx, req)
			if len(rows) > 1 {
				rows = rows[:len(rows)-1]
			}
			return rows, err
		}}
	}},
	{"list ignores the user", "List of a user returns that user's rows", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnList: func(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
			if req.Check() == nil && req.User != "" {
				req.User, req.All, req.Newest = "", true, false
			}
			return s.List(ctx, req)
		}}
	}},
	{"users in any case", "users are compared byte by byte", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnList: func(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
			if req.Check() != nil || req.User == "" || req.Newest {
				return s.List(ctx, req)
			}
			rows, err := all(ctx, s, driver.ListRequest{All: true, After: req.After})
			rows = slices.DeleteFunc(rows, func(r driver.Row) bool { return !strings.EqualFold(r.User, req.User) })
			return rows[:min(len(rows), req.Limit)], err
		}}
	}},
	{"the newest by ID", "Newest lists a user's rows by the time of authentication", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnList: func(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
			if req.Check() != nil || !req.Newest {
				return s.List(ctx, req)
			}
			rows, err := all(ctx, s, driver.ListRequest{User: req.User})
			slices.SortFunc(rows, func(a, b driver.Row) int { return cmp.Compare(b.ID, a.ID) })
			return rows[:min(len(rows), req.Limit)], err
		}}
	}},
	{"list of the dead", "List returns live rows", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnList: func(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
			rows, err := s.List(ctx, req)
			if err == nil && req.ID.Valid() && len(rows) == 0 {
				endings, err := s.Endings(ctx, []driver.Ref{{ID: req.ID}})
				if err == nil && len(endings) == 1 && !endings[0].Gone {
					return []driver.Row{{Ref: driver.Ref{ID: req.ID}}}, nil
				}
			}
			return rows, err
		}}
	}},
	{"the reaper takes a live row", "Reap deletes only what it proves dead", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnReap: func(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
			rows, err := s.List(ctx, driver.ListRequest{All: true, Limit: 1})
			if err == nil && len(rows) == 1 {
				_ = s.End(ctx, driver.EndRequest{ID: rows[0].ID})
			}
			return s.Reap(ctx, req)
		}}
	}},
	{"the reaper deletes nothing", "Reap, called until there is no more, deletes what is dead", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnReap: func(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
			_, err := s.Stats(ctx)
			return driver.ReapResult{}, err
		}}
	}},
	{"stats count pending rows", "Stats counts live rows and leaves out pending ones", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnStats: func(ctx context.Context) (driver.Stats, error) {
			stats, err := s.Stats(ctx)
			if err == nil {
				var rows []driver.Row
				rows, err = all(ctx, s, driver.ListRequest{All: true})
				stats.Live = len(rows)
			}
			return stats, err
		}}
	}},
}

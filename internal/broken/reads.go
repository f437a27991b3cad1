package broken

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/altered"
)

// reads are ways to break Load.
var reads = []Kind{
	{"load ignores the verifier", "Load returns a row only to the verifier that it has", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := s.Load(ctx, ref)
			if errors.As(err, new(*driver.ReplacedError)) {
				return look(ctx, s, ref.ID)
			}
			return row, err
		}}
	}},
	{"load finds pending rows", "Load does not find a pending row", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := s.Load(ctx, ref)
			if errors.Is(err, driver.ErrNotFound) {
				if pending, lookErr := look(ctx, s, ref.ID); lookErr == nil && pending.Pending && pending.Verifier == ref.Verifier {
					return pending, nil
				}
			}
			return row, err
		}}
	}},
	{"a replaced verifier still opens", "without Grace the verifier before finds nothing", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			if req.Grace == 0 {
				req.Grace = time.Minute
			}
			return s.Save(ctx, req)
		}}
	}},
	{"a grace without end", "the verifier before opens the row for Grace and no longer", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			if req.Grace > 0 {
				req.Grace = 100 * 365 * 24 * time.Hour
			}
			return s.Save(ctx, req)
		}}
	}},
	{"a replaced verifier is not told", "Load of a live row with another verifier is a ReplacedError", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := s.Load(ctx, ref)
			if errors.As(err, new(*driver.ReplacedError)) {
				err = driver.ErrNotFound
			}
			return row, err
		}}
	}},
	{"IDs in any case", "an ID that is not a canonical UUID names no row", func(s driver.Store) driver.Store {
		lower := func(id driver.ID) driver.ID { return driver.ID(strings.ToLower(string(id))) }
		return &altered.Store{
			Store: s,
			OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
				ref.ID = lower(ref.ID)
				return s.Load(ctx, ref)
			},
			OnEnd: func(ctx context.Context, req driver.EndRequest) error {
				req.ID = lower(req.ID)
				return s.End(ctx, req)
			},
		}
	}},
	{"stale reads", "Load returns the row as it is now", func(s driver.Store) driver.Store {
		return cached(s, false)
	}},
	{"a cache in each process", "Load returns the row as other processes left it", func(s driver.Store) driver.Store {
		return cached(s, true)
	}},
	{"errors that wrap nothing", "errors wrap the sentinels of package driver", func(s driver.Store) driver.Store {
		plain := func(err error) error {
			if err != nil {
				err = errors.New(err.Error())
			}
			return err
		}
		return &altered.Store{
			Store: s,
			OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
				row, err := s.Load(ctx, ref)
				return row, plain(err)
			},
			OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
				result, err := s.Save(ctx, req)
				return result, plain(err)
			},
		}
	}},
	{"a failure means not found", "what can't be answered is never ErrNotFound", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := s.Load(ctx, ref)
			if err != nil && !errors.Is(err, driver.ErrNotFound) {
				err = driver.ErrNotFound
			}
			return row, err
		}}
	}},
	{"the end of a context is not looked at", "when ctx ends, a method returns soon, with its cause", func(s driver.Store) driver.Store {
		return &altered.Store{
			Store: s,
			OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
				return s.Load(context.WithoutCancel(ctx), ref)
			},
			OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
				return s.Save(context.WithoutCancel(ctx), req)
			},
		}
	}},
}

// cached returns a store that remembers for a second what Load returned. Its own writes of a
// row make it forget that, if it is careful.
func cached(s driver.Store, careful bool) driver.Store {
	type remembered struct {
		driver.Row
		at time.Time
	}
	var rows sync.Map // by Ref
	forget := func(ref driver.Ref) {
		if careful {
			rows.Delete(ref)
		}
	}
	forgetAll := func() {
		if careful {
			rows.Clear()
		}
	}
	return &altered.Store{
		Store: s,
		OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			if r, ok := rows.Load(ref); ok && time.Since(r.(remembered).at).Abs() < time.Second && ctx.Err() == nil {
				row := r.(remembered).Row
				row.Data = append([]byte(nil), row.Data...)
				return row, nil
			}
			row, err := s.Load(ctx, ref)
			if err == nil && !row.Previous {
				kept := row
				kept.Data = append([]byte(nil), row.Data...)
				rows.Store(ref, remembered{kept, time.Now()})
			}
			return row, err
		},
		OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			defer forget(req.From)
			return s.Save(ctx, req)
		},
		OnTouch: func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
			defer forget(req.Ref)
			return s.Touch(ctx, req)
		},
		OnEnd: func(ctx context.Context, req driver.EndRequest) error {
			defer forgetAll()
			return s.End(ctx, req)
		},
		OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
			defer forgetAll()
			return s.EndAll(ctx, req)
		},
	}
}

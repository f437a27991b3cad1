package broken

import (
	"context"
	"errors"
	"runtime"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/altered"
)

// races are ways to be right only while no other request runs, or no answer is lost.
var races = []Kind{
	{"save looks at the version and then writes", "of two saves of one version one is ErrConflict", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			row, err := look(ctx, s, req.From.ID)
			if err != nil || row.Version != req.Version {
				return s.Save(ctx, req)
			}
			runtime.Gosched()
			return saveAnyway(ctx, s, req)
		}}
	}},
	{"an end that loses to a save", "End ends the row, whatever is written at the same time", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEnd: func(ctx context.Context, req driver.EndRequest) error {
			row, err := look(ctx, s, req.ID)
			if err != nil || req.Version != 0 {
				return s.End(ctx, req)
			}
			runtime.Gosched()
			req.Version = row.Version
			if err = s.End(ctx, req); errors.Is(err, driver.ErrConflict) {
				err = nil // there was nothing to end
			}
			return err
		}}
	}},
	{"end all ends what it has listed", "EndAll ends the row, whatever verifier it gets at the same time", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (result driver.EndAllResult, err error) {
			if req.Check() != nil || req.Mark.Number != 0 {
				return s.EndAll(ctx, req)
			}
			rows, err := all(ctx, s, driver.ListRequest{User: req.User, Label: req.Label, All: req.All, After: req.After})
			except := map[driver.ID]bool{}
			for _, id := range req.Except {
				except[id] = true
			}
			for _, row := range rows {
				if result.Ended == req.Limit || err != nil {
					break
				}
				if except[row.ID] {
					continue
				}
				result.Last = row.ID
				switch endErr := s.End(ctx, driver.EndRequest{ID: row.ID, Version: row.Version, Reason: req.Reason, Keep: req.Keep}); {
				case endErr == nil:
					result.Ended++
				case !errors.Is(endErr, driver.ErrNotFound) && !errors.Is(endErr, driver.ErrConflict):
					err = endErr
				}
			}
			result.More = result.Ended == req.Limit
			return result, err
		}}
	}},
	{"an unknown outcome is tried again", "a store does not repeat what may have been carried out", func(s driver.Store) driver.Store {
		return &altered.Store{
			Store: s,
			OnCreate: func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
				result, err := s.Create(ctx, req)
				if unknown(ctx, err) {
					return s.Create(ctx, req)
				}
				return result, err
			},
			OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
				result, err := s.Save(ctx, req)
				if unknown(ctx, err) {
					return s.Save(ctx, req)
				}
				return result, err
			},
			OnEnd: func(ctx context.Context, req driver.EndRequest) error {
				err := s.End(ctx, req)
				if unknown(ctx, err) {
					return s.End(ctx, req)
				}
				return err
			},
		}
	}},
	{"an unknown outcome is taken for success", "an outcome that is not known is an error", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			result, err := s.Save(ctx, req)
			if unknown(ctx, err) {
				return driver.SaveResult{Version: req.Version + 1}, nil
			}
			return result, err
		}}
	}},
}

// unknown reports whether an error says nothing about the outcome.
func unknown(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return false
	}
	for _, known := range []error{
		driver.ErrNotFound, driver.ErrExists, driver.ErrConflict, driver.ErrTooLarge, driver.ErrSchema, driver.ErrValue, driver.ErrInvalid,
	} {
		if errors.Is(err, known) {
			return false
		}
	}
	return true
}

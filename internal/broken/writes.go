package broken

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/altered"
)

// writes are ways to break Create, Save and Touch.
var writes = []Kind{
	{"save makes a row", "Save never makes a row", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			result, err := s.Save(ctx, req)
			if errors.Is(err, driver.ErrNotFound) {
				made, createErr := s.Create(ctx, driver.CreateRequest{
					Ref:  driver.Ref{ID: req.From.ID, Verifier: req.Verifier},
					User: req.User, Label: req.Label, Data: req.Data, Life: lasting(req.Life),
				})
				if createErr == nil {
					return made, nil
				}
			}
			return result, err
		}}
	}},
	{"touch makes a row", "Touch of a row that is not there is ErrNotFound", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnTouch: func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
			result, err := s.Touch(ctx, req)
			if errors.Is(err, driver.ErrNotFound) {
				_, createErr := s.Create(ctx, driver.CreateRequest{Ref: req.Ref, Data: []byte(`{}`), Life: lasting(req.Life)})
				if createErr == nil {
					return result, nil
				}
			}
			return result, err
		}}
	}},
	{"create overwrites", "Create never changes a row", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnCreate: func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
			result, err := s.Create(ctx, req)
			if !errors.Is(err, driver.ErrExists) {
				return result, err
			}
			row, lookErr := look(ctx, s, req.ID)
			if lookErr != nil {
				return result, err
			}
			return s.Save(ctx, driver.SaveRequest{
				From: row.Ref, Version: row.Version, Verifier: req.Verifier, User: req.User, Label: req.Label,
				Data: req.Data, Life: req.Life, Authenticated: req.Authenticated, Pending: req.Pending,
			})
		}}
	}},
	{"save without a version", "Save on another version is ErrConflict and changes nothing", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			return saveAnyway(ctx, s, req)
		}}
	}},
	{"save of the same data writes nothing", "everything that writes a row but Touch changes its version", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			row, err := look(ctx, s, req.From.ID)
			if err == nil && row.Ref == req.From && row.Version == req.Version && string(row.Data) == string(req.Data) &&
				row.User == req.User && row.Label == req.Label && req.Verifier == row.Verifier && !req.Authenticated && row.Pending == req.Pending {
				_, err = s.Touch(ctx, driver.TouchRequest{Ref: req.From, Life: driver.Life{Idle: req.Life.Idle}})
				return driver.SaveResult{Version: row.Version}, err
			}
			return s.Save(ctx, req)
		}}
	}},
	{"save forgets the absolute limit", "Save keeps the absolute expiry unless it is given one", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			req.Life = lasting(req.Life)
			return s.Save(ctx, req)
		}}
	}},
	{"save keeps the user", "Save replaces the user", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			if row, err := look(ctx, s, req.From.ID); err == nil && req.User == "" {
				req.User = row.User
			}
			return s.Save(ctx, req)
		}}
	}},
	{"touch moves nothing", "Touch moves the idle expiry: it counts from the last use and not from the creation", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnTouch: func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
			req.Life.Throttle = math.MaxInt64
			return s.Touch(ctx, req)
		}}
	}},
	{"touch ignores the throttle", "Touch leaves a row alone that was seen less than Throttle ago", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnTouch: func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
			req.Life.Throttle = 0
			return s.Touch(ctx, req)
		}}
	}},
	{"touch changes the version", "Touch leaves the version alone", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnTouch: func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
			if result, err := s.Touch(ctx, req); err != nil {
				return result, err
			}
			if row, err := look(ctx, s, req.ID); err == nil {
				_, err = s.Save(ctx, driver.SaveRequest{
					From: row.Ref, Version: row.Version, Verifier: row.Verifier, User: row.User, Label: row.Label,
					Data: row.Data, Pending: row.Pending, Life: driver.Life{Idle: row.ExpiresIn},
				})
				return driver.SaveResult{}, err
			}
			return driver.SaveResult{}, nil
		}}
	}},
	{"data is parsed and written again", "Data comes back byte for byte", func(s driver.Store) driver.Store {
		again := func(data []byte) []byte {
			var parsed map[string]any
			if json.Unmarshal(data, &parsed) != nil {
				return data
			}
			data, _ = json.Marshal(parsed) //nolint:errchkjson // it was JSON
			return data
		}
		return &altered.Store{
			Store: s,
			OnCreate: func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
				req.Data = again(req.Data)
				return s.Create(ctx, req)
			},
			OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
				req.Data = again(req.Data)
				return s.Save(ctx, req)
			},
		}
	}},
	{"data is shared with callers", "a store keeps nothing that a request refers to, Data included", func(s driver.Store) driver.Store {
		var kept sync.Map // Data by version
		return &altered.Store{
			Store: s,
			OnCreate: func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
				result, err := s.Create(ctx, req)
				kept.Store(result.Version, req.Data)
				return result, err
			},
			OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
				result, err := s.Save(ctx, req)
				kept.Store(result.Version, req.Data)
				return result, err
			},
			OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
				row, err := s.Load(ctx, ref)
				if data, ok := kept.Load(row.Version); ok && err == nil {
					row.Data = data.([]byte)
				}
				return row, err
			},
		}
	}},
}

// lasting returns a life with an absolute limit, and a new one if it had none.
func lasting(life driver.Life) driver.Life {
	if life.Absolute == 0 {
		life.Absolute = max(life.Idle, 24*time.Hour)
	}
	return life
}

// saveAnyway saves over whatever version the row has.
func saveAnyway(ctx context.Context, s driver.Store, req driver.SaveRequest) (driver.SaveResult, error) {
	for {
		result, err := s.Save(ctx, req)
		if !errors.Is(err, driver.ErrConflict) {
			return result, err
		}
		row, lookErr := look(ctx, s, req.From.ID)
		if lookErr != nil {
			return result, err
		}
		req.Version = row.Version
	}
}

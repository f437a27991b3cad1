package broken

import (
	"context"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/altered"
)

// times are ways to get clocks and time zones wrong.
var times = []Kind{
	{"the application's clock, an hour ahead", "expiries are computed by the store's clock", func(s driver.Store) driver.Store {
		ahead := func(life driver.Life) driver.Life {
			life.Idle += time.Hour
			if life.Absolute > 0 {
				life.Absolute += time.Hour
			}
			return life
		}
		return &altered.Store{
			Store: s,
			OnCreate: func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
				req.Life = ahead(req.Life)
				return s.Create(ctx, req)
			},
			OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
				req.Life = ahead(req.Life)
				return s.Save(ctx, req)
			},
			OnTouch: func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
				req.Life = ahead(req.Life)
				return s.Touch(ctx, req)
			},
		}
	}},
	{"reads by the application's clock", "expiries are compared with the store's clock", func(s driver.Store) driver.Store {
		return &altered.Store{Store: s, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := s.Load(ctx, ref)
			if err != nil {
				return row, err
			}
			ahead := time.Since(row.LastSeenAt) - row.LastSeenAge
			row.ExpiresIn, row.AbsoluteIn = row.ExpiresIn-ahead, row.AbsoluteIn-ahead
			if row.ExpiresIn <= 0 {
				return driver.Row{}, driver.ErrNotFound
			}
			return row, nil
		}}
	}},
	{"an expiry of whole minutes", "stores keep whole milliseconds or better", func(s driver.Store) driver.Store {
		whole := func(life driver.Life) driver.Life {
			life.Idle = life.Idle.Truncate(time.Minute) + time.Minute
			return life
		}
		return &altered.Store{
			Store: s,
			OnCreate: func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
				req.Life = whole(req.Life)
				return s.Create(ctx, req)
			},
			OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
				req.Life = whole(req.Life)
				return s.Save(ctx, req)
			},
		}
	}},
	{"times of a local zone, read as UTC", "times are the store's, whatever the zone of the machine", func(s driver.Store) driver.Store {
		zone := time.FixedZone("Kathmandu", 20_700)
		wrong := func(t time.Time) time.Time {
			if t.IsZero() {
				return t
			}
			return time.Date(t.In(zone).Year(), t.In(zone).Month(), t.In(zone).Day(), t.In(zone).Hour(), t.In(zone).Minute(), t.In(zone).Second(), 0, time.UTC)
		}
		return &altered.Store{Store: s, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := s.Load(ctx, ref)
			row.CreatedAt, row.LastSeenAt, row.AuthenticatedAt = wrong(row.CreatedAt), wrong(row.LastSeenAt), wrong(row.AuthenticatedAt)
			return row, err
		}}
	}},
}

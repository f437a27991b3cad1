package native_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

func TestSuperseded(t *testing.T) {
	a, b := driver.Verifier(strings.Repeat("a", 32)), driver.Verifier(strings.Repeat("b", 32))
	save := func(from, to driver.Verifier, version driver.Version) driver.SaveRequest {
		return driver.SaveRequest{From: driver.Ref{ID: "1", Verifier: from}, Verifier: to, Version: version}
	}
	saved := driver.SaveResult{Version: 9}
	for name, test := range map[string]struct {
		ended driver.SaveRequest
		out   driver.SaveResult
		err   error
		waits driver.SaveRequest
		want  error
	}{
		"it was saved":                         {save(a, a, 7), saved, nil, save(a, a, 7), driver.ErrConflict},
		"it was saved, and brought this about": {save(a, a, 7), saved, nil, save(a, a, 9), nil},
		"it got a new verifier":                {save(a, b, 7), saved, nil, save(a, a, 7), driver.ErrNotFound},
		"it got this verifier":                 {save(a, b, 7), saved, nil, save(b, b, 7), driver.ErrConflict},
		"the row had moved":                    {save(a, a, 7), driver.SaveResult{}, driver.ErrConflict, save(a, a, 7), driver.ErrConflict},
		"the row had moved to this":            {save(a, a, 7), driver.SaveResult{}, driver.ErrConflict, save(a, a, 8), nil},
		"the row had gone":                     {save(a, a, 7), driver.SaveResult{}, driver.ErrNotFound, save(a, a, 8), driver.ErrNotFound},
		"its verifier was old":                 {save(a, a, 7), driver.SaveResult{}, driver.ErrNotFound, save(b, b, 7), nil},
		"it failed":                            {save(a, a, 7), driver.SaveResult{}, errors.New("the connection was lost"), save(a, a, 7), nil},
		"it was not sent":                      {save(a, a, 7), driver.SaveResult{}, nil, save(a, a, 7), nil},
	} {
		if test.err != nil {
			test.err = fmt.Errorf("store: %w", test.err)
		}
		if got := native.Superseded(test.ended, test.out, test.err, test.waits); !errors.Is(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// A store that finds nothing, and fails to count.
type empty struct{ native.Table }

func (empty) LoadRow(context.Context, native.Lookup) (row native.Row, err error) {
	return row, driver.ErrNotFound
}

func (empty) Stats(context.Context) (driver.Stats, error) { return driver.Stats{}, sql.ErrNoRows }

func (empty) Explain(_ context.Context, err error) error { return fmt.Errorf("explained: %w", err) }

func (empty) Lost(error) (tries int) { return 0 }

func TestErrorsSayWhereTheyComeFrom(t *testing.T) {
	t.Parallel()
	store := native.New("anystore", empty{}, empty{})
	ctx, id := t.Context(), driver.ID("0123abcd-4567-7890-89ef-0123456789ab")
	short := driver.Ref{ID: id, Verifier: "short"}
	for want, f := range map[string]func() error{
		"anystore: load: explained: sessions: not found":         func() error { _, err := store.Load(ctx, driver.Ref{ID: id}); return err },
		"anystore: touch: explained: sessions: not found":        func() error { _, err := store.Touch(ctx, driver.TouchRequest{Ref: short}); return err },
		"anystore: save: explained: sessions: not found":         func() error { _, err := store.Save(ctx, driver.SaveRequest{From: short}); return err },
		"anystore: end: explained: sessions: not found":          func() error { return store.End(ctx, driver.EndRequest{ID: "x"}) },
		"anystore: stats: explained: sql: no rows in result set": func() error { _, err := store.Stats(ctx); return err },
		"anystore: list: sessions: invalid option or argument: \"x\", after which to go on, is no session's ID": func() error {
			_, err := store.List(ctx, driver.ListRequest{All: true, Limit: 1, After: "x"})
			return err
		},
		"anystore: create: sessions: invalid option or argument: \"x\" is no session's ID": func() error {
			_, err := store.Create(ctx, driver.CreateRequest{Ref: driver.Ref{ID: "x"}})
			return err
		},
	} {
		if err := f(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestDurationsThatDoNotFit(t *testing.T) {
	t.Parallel()
	const most, least = math.MaxInt64, math.MinInt64
	for _, test := range []struct{ from, to, want int64 }{
		{3, 5, 2},
		{5, 3, -2},
		{-3, 5, 8},
		{5, -3, -8},
		{0, most, most},
		{most, 0, -most},
		{0, least, least},
		{least, 0, most},
		{least, 1, most},
		{1, least, least},
		{-2, most, most},
		{least, most, most},
		{most, least, least},
		{least, least, 0},
	} {
		if got := native.Between(test.from, test.to); got != test.want {
			t.Errorf("from %d to %d: %d, want %d", test.from, test.to, got, test.want)
		}
	}
	for n, want := range map[int64]time.Duration{7: 7 * time.Millisecond, -7: -7 * time.Millisecond, most: most, least: least} {
		if got := native.Duration(n, time.Millisecond); got != want {
			t.Errorf("%d: %v, want %v", n, got, want)
		}
	}
}

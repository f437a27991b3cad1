package torture_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/internal/altered"
)

// A fraud breaks a promise of a take-over.
type fraud struct {
	here, old func(s *site, store driver.Store) driver.Store
	calm      bool   // without faults
	rule      string // that sees it
}

// forgets ends a session and leaves no trace of it.
func forgets(s *site, store driver.Store) driver.Store {
	return &altered.Store{Store: store, OnEnd: func(ctx context.Context, req driver.EndRequest) error {
		err := store.End(ctx, req)
		if err == nil {
			remove(ctx, s.world, req.ID)
		}
		return err
	}}
}

var frauds = map[string]fraud{
	"an ending is forgotten, and Node saves late": {calm: true, rule: "signed in again", here: forgets},
	"an ending is forgotten and leaves the old row": {calm: true, rule: "signed in again", here: forgets, old: func(_ *site, store driver.Store) driver.Store {
		return &altered.Store{Store: store, OnEnd: func(context.Context, driver.EndRequest) error { return nil }}
	}},
	"an import brings back what ended": {calm: true, rule: "signed in again", here: func(s *site, store driver.Store) driver.Store {
		return &altered.Store{Store: store, OnCreate: func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
			result, err := store.Create(ctx, req)
			if !errors.Is(err, driver.ErrExists) || !strings.Contains(string(req.Data), "$imported") {
				return result, err
			}
			if ends, err := store.Endings(ctx, []driver.Ref{req.Ref}); err != nil || len(ends) == 0 || ends[0].Gone {
				return result, driver.ErrExists
			}
			remove(ctx, s.world, req.ID)
			return store.Create(ctx, req)
		}}
	}},
	"an import brings no copy up to date": {calm: true, rule: "lost", here: func(_ *site, store driver.Store) driver.Store {
		return &altered.Store{Store: store, OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			if strings.Contains(string(req.Data), "$imported") {
				return driver.SaveResult{Version: req.Version}, nil
			}
			return store.Save(ctx, req)
		}}
	}},
	"two sessions come from one": {calm: true, rule: "two sessions", here: func(_ *site, store driver.Store) driver.Store {
		return &altered.Store{Store: store, OnCreate: func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
			if !strings.Contains(string(req.Data), "$imported") && strings.Contains(string(req.Data), "birth") {
				another := req
				another.Ref = driver.Ref{ID: testbed.NewRow("").ID, Verifier: testbed.RandomVerifier()}
				_, _ = store.Create(ctx, another)
			}
			return store.Create(ctx, req)
		}}
	}},
	"a take-over looks at no revocation": {calm: true, rule: "signed in again", here: func(_ *site, store driver.Store) driver.Store {
		return &altered.Store{Store: store, OnMarks: func(context.Context, driver.MarksRequest) ([]driver.SetMark, error) { return nil, nil }}
	}},
	"the old cookie opens what has a newer token": {calm: true, rule: "a later sign-in replaced", here: func(_ *site, store driver.Store) driver.Store {
		return &altered.Store{Store: store, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := store.Load(ctx, ref)
			if !errors.Is(err, driver.ErrNotFound) {
				return row, err
			}
			if rows, err := store.List(ctx, driver.ListRequest{ID: ref.ID, Limit: 1}); err == nil && len(rows) > 0 && !rows[0].Pending {
				rows[0].Verifier = ref.Verifier
				return rows[0], nil
			}
			return row, err
		}}
	}},
	"old sessions are mixed up": {calm: true, rule: "another", old: func(s *site, store driver.Store) driver.Store {
		return &altered.Store{Store: store, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := store.Load(ctx, ref)
			if other, known := s.last.Swap(0, row.Data); err == nil && known && oneIn(5) && len(other.([]byte)) > 0 {
				row.Data = other.([]byte)
			}
			return row, err
		}}
	}},
	"an old row that could not be read is none": {calm: true, rule: "logged out", old: func(_ *site, store driver.Store) driver.Store {
		return &altered.Store{Store: store, OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			row, err := store.Load(ctx, ref)
			if oneIn(20) {
				err = driver.ErrNotFound
			}
			return row, err
		}}
	}},
}

// The checker of take-overs sees each promise that is broken, mostly within seconds.
func TestTakeoverCheckerSees(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(frauds)) {
		t.Run(name, func(t *testing.T) {
			f := frauds[name]
			s, total, began := newSite(t, []int{testbed.PGXPool, testbed.Postgres, testbed.Postgres}, f), newPassage(), time.Now()
			s.broken = true
			for seed := uint64(1); ; seed++ {
				problems := s.play(seed, 500*time.Millisecond, total)
				if i := slices.IndexFunc(problems, func(p string) bool { return strings.Contains(p, f.rule) }); i >= 0 {
					t.Logf("seen after %v and %d requests: %.700s", time.Since(began).Round(100*time.Millisecond), total.visits, problems[i])
					return
				}
				if time.Since(began) > 3*time.Minute {
					t.Fatalf("not seen in %v; others: %.2000q", total, problems)
				}
			}
		})
	}
}

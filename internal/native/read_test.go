package native_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/native"
)

var errOther = errors.New("a syntax error")

// A store of which some connections are dead.
type dying struct {
	empty
	dead  int // connections
	other int // of which try is the one that fails for another reason, 0 for none
	tries int
}

func (d *dying) try() error {
	switch d.tries++; {
	case d.tries == d.other:
		return errOther
	case d.tries <= d.dead:
		return errLost
	}
	return nil
}

func (d *dying) LoadRow(context.Context, native.Lookup) (row native.Row, err error) {
	return row, d.try()
}

func (d *dying) Stats(context.Context) (driver.Stats, error) { return driver.Stats{}, d.try() }

func (d *dying) List(context.Context, driver.ListRequest) ([]driver.Row, error) { return nil, d.try() }

func (d *dying) Endings(context.Context, []driver.ID) ([]driver.Ending, error) { return nil, d.try() }

func (d *dying) Marks(context.Context, []driver.ID) ([]native.Mark, error) { return nil, d.try() }

// Lost knows of as many dead connections as there are at most.
func (d *dying) Lost(err error) (tries int) {
	if errors.Is(err, errLost) {
		return 3
	}
	return 0
}

// A read is tried again for each connection that may be dead, and not because of anything else.
func TestReadsOutliveDeadConnections(t *testing.T) {
	t.Parallel()
	id := driver.ID("0123abcd-4567-7890-89ef-0123456789ab")
	reads := map[string]func(ctx context.Context, s driver.Store) error{
		"load":  func(ctx context.Context, s driver.Store) error { _, err := s.Load(ctx, driver.Ref{ID: id}); return err },
		"stats": func(ctx context.Context, s driver.Store) error { _, err := s.Stats(ctx); return err },
		"list": func(ctx context.Context, s driver.Store) error {
			_, err := s.List(ctx, driver.ListRequest{All: true, Limit: 1})
			return err
		},
		"endings": func(ctx context.Context, s driver.Store) error {
			_, err := s.Endings(ctx, []driver.Ref{{ID: id}})
			return err
		},
		"marks": func(ctx context.Context, s driver.Store) error {
			_, err := s.Marks(ctx, driver.MarksRequest{})
			return err
		},
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, read := range reads {
		for _, test := range []struct {
			ctx         context.Context
			dead, other int
			want        error
			tries       int
		}{
			{t.Context(), 0, 0, nil, 1},
			{t.Context(), 1, 0, nil, 2},
			{t.Context(), 3, 0, nil, 4},
			{t.Context(), 4, 0, errLost, 4},
			{t.Context(), 3, 2, errOther, 2},
			{t.Context(), 0, 1, errOther, 1},
			{over, 3, 0, errLost, 1},
		} {
			d := &dying{dead: test.dead, other: test.other}
			err := read(test.ctx, native.New("anystore", d, d))
			if name == "load" && test.want == nil && errors.Is(err, driver.ErrNotFound) {
				err = nil // the row is empty
			}
			if !errors.Is(err, test.want) || d.tries != test.tries {
				t.Errorf("%s with %d dead connections: %v after %d tries, want %v after %d", name, test.dead, err, d.tries, test.want, test.tries)
			}
		}
	}
}

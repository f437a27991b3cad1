package native

import (
	"context"
	"errors"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/retry"
)

// known are the errors after which nothing has happened.
var known = []error{
	driver.ErrNotFound, driver.ErrExists, driver.ErrConflict, driver.ErrTooLarge, driver.ErrSchema, driver.ErrValue, driver.ErrInvalid,
	errKept,
}

// unsure reports whether a statement that returned err may have been carried out, and
// whether there is time to find out.
func (s *store) unsure(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return false
	}
	err = s.table.Explain(ctx, err)
	for _, k := range known {
		if errors.Is(err, k) {
			return false
		}
	}
	return true
}

// sure writes a row. If it can't tell whether a write was carried out, because its answer was
// lost, it looks at the row: no other write has its version.
//
// If the row still has the version that was to be replaced, or is not there yet, the lost
// statement has not been carried out, but may still be under way. So it is sent again: of
// the two only one can find the row like that.
func (s *store) sure(ctx context.Context, w Write, write func(context.Context, Write) (driver.SaveResult, error)) (driver.SaveResult, error) {
	result, err := write(ctx, w)
	if !s.unsure(ctx, err) {
		return result, err
	}
	for range 2 { // once before it is sent again, and once after
		row, lookErr := s.loadRow(ctx, Lookup{w.From, w.Key})
		switch {
		case lookErr == nil && row.Version == w.NewVersion:
			return driver.SaveResult{Version: w.NewVersion}, nil
		case lookErr != nil && !errors.Is(lookErr, driver.ErrNotFound):
			return driver.SaveResult{}, err
		case row.Version == 0 && w.Version != 0: // it ended, before the save or after it
			return driver.SaveResult{}, driver.ErrNotFound
		case row.Version != w.Version:
			return driver.SaveResult{}, err // another write came after the lost one, or before it
		}
		var again error
		if result, again = write(ctx, w); again == nil {
			return result, nil
		}
		why := s.table.Explain(ctx, again) // a driver may have its own error for a taken ID
		if !errors.Is(why, driver.ErrConflict) && !errors.Is(why, driver.ErrExists) && !errors.Is(why, driver.ErrNotFound) {
			return driver.SaveResult{}, again
		}
	}
	return driver.SaveResult{}, err
}

// read reads again what was lost with a connection.
func read[Out any](ctx context.Context, s *store, f func() (Out, error)) (Out, error) {
	return retry.Read(ctx, s.table.Lost, f)
}

func (s *store) loadRow(ctx context.Context, l Lookup) (Row, error) {
	return read(ctx, s, func() (Row, error) { return s.rows.LoadRow(ctx, l) })
}

func (s *store) endings(ctx context.Context, ids []driver.ID) ([]driver.Ending, error) {
	return read(ctx, s, func() ([]driver.Ending, error) { return s.table.Endings(ctx, ids) })
}

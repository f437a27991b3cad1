// Package broken has stores that break the contract of package driver, each in one way that
// a store could be written by mistake. Tests wrap a good store in one of them and check that
// they notice.
package broken

import (
	"context"
	"slices"

	"github.com/sqlsessions/sessions/driver"
)

// A Kind is one way to break the contract.
type Kind struct {
	Name    string
	Promise string // what the contract says, and this store does not do

	// Wrap returns a store that keeps its rows in s. Some kinds remember something, so
	// each call begins with nothing remembered.
	Wrap func(s driver.Store) driver.Store
}

// Kinds returns all of them.
func Kinds() []Kind {
	return slices.Concat(writes, reads, endings, times, tables, races)
}

// look returns the live row with this ID, whatever its verifier is.
func look(ctx context.Context, s driver.Store, id driver.ID) (driver.Row, error) {
	rows, err := s.List(ctx, driver.ListRequest{ID: id, Limit: 1})
	if err != nil {
		return driver.Row{}, err
	}
	if len(rows) == 0 {
		return driver.Row{}, driver.ErrNotFound
	}
	return rows[0], nil
}

// all returns every live row that req selects, and does not look at its Limit.
func all(ctx context.Context, s driver.Store, req driver.ListRequest) (rows []driver.Row, err error) {
	for req.Limit = 1000; ; req.After = rows[len(rows)-1].ID {
		page, err := s.List(ctx, req)
		rows = append(rows, page...)
		if err != nil || len(page) < req.Limit {
			return rows, err
		}
	}
}

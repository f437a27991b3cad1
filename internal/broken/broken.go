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

// altered is a store some of whose methods are replaced.
type altered struct {
	driver.Store

	load   func(ctx context.Context, ref driver.Ref) (driver.Row, error)
	create func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error)
	save   func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error)
	touch  func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error)
	end    func(ctx context.Context, req driver.EndRequest) error
	endAll func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error)
	marks  func(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error)
	found  func(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error)
	list   func(ctx context.Context, req driver.ListRequest) ([]driver.Row, error)
	stats  func(ctx context.Context) (driver.Stats, error)
	reap   func(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error)
}

func (a *altered) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	if a.load != nil {
		return a.load(ctx, ref)
	}
	return a.Store.Load(ctx, ref)
}

func (a *altered) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	if a.create != nil {
		return a.create(ctx, req)
	}
	return a.Store.Create(ctx, req)
}

func (a *altered) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	if a.save != nil {
		return a.save(ctx, req)
	}
	return a.Store.Save(ctx, req)
}

func (a *altered) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	if a.touch != nil {
		return a.touch(ctx, req)
	}
	return a.Store.Touch(ctx, req)
}

func (a *altered) End(ctx context.Context, req driver.EndRequest) error {
	if a.end != nil {
		return a.end(ctx, req)
	}
	return a.Store.End(ctx, req)
}

func (a *altered) EndAll(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
	if a.endAll != nil {
		return a.endAll(ctx, req)
	}
	return a.Store.EndAll(ctx, req)
}

func (a *altered) Marks(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
	if a.marks != nil {
		return a.marks(ctx, req)
	}
	return a.Store.Marks(ctx, req)
}

func (a *altered) Endings(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
	if a.found != nil {
		return a.found(ctx, refs)
	}
	return a.Store.Endings(ctx, refs)
}

func (a *altered) List(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
	if a.list != nil {
		return a.list(ctx, req)
	}
	return a.Store.List(ctx, req)
}

func (a *altered) Stats(ctx context.Context) (driver.Stats, error) {
	if a.stats != nil {
		return a.stats(ctx)
	}
	return a.Store.Stats(ctx)
}

func (a *altered) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	if a.reap != nil {
		return a.reap(ctx, req)
	}
	return a.Store.Reap(ctx, req)
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

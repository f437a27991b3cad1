// Package altered has a store that tests change at single methods.
package altered

import (
	"context"

	"github.com/sqlsessions/sessions/driver"
)

// A Store is another one, but for the methods in place of which there are functions.
type Store struct {
	driver.Store

	OnLoad    func(ctx context.Context, ref driver.Ref) (driver.Row, error)
	OnCreate  func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error)
	OnSave    func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error)
	OnTouch   func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error)
	OnEnd     func(ctx context.Context, req driver.EndRequest) error
	OnEndAll  func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error)
	OnMarks   func(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error)
	OnEndings func(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error)
	OnList    func(ctx context.Context, req driver.ListRequest) ([]driver.Row, error)
	OnStats   func(ctx context.Context) (driver.Stats, error)
	OnReap    func(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error)
}

func (a *Store) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	if a.OnLoad != nil {
		return a.OnLoad(ctx, ref)
	}
	return a.Store.Load(ctx, ref)
}

func (a *Store) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	if a.OnCreate != nil {
		return a.OnCreate(ctx, req)
	}
	return a.Store.Create(ctx, req)
}

func (a *Store) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	if a.OnSave != nil {
		return a.OnSave(ctx, req)
	}
	return a.Store.Save(ctx, req)
}

func (a *Store) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	if a.OnTouch != nil {
		return a.OnTouch(ctx, req)
	}
	return a.Store.Touch(ctx, req)
}

func (a *Store) End(ctx context.Context, req driver.EndRequest) error {
	if a.OnEnd != nil {
		return a.OnEnd(ctx, req)
	}
	return a.Store.End(ctx, req)
}

func (a *Store) EndAll(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
	if a.OnEndAll != nil {
		return a.OnEndAll(ctx, req)
	}
	return a.Store.EndAll(ctx, req)
}

func (a *Store) Marks(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
	if a.OnMarks != nil {
		return a.OnMarks(ctx, req)
	}
	return a.Store.Marks(ctx, req)
}

func (a *Store) Endings(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
	if a.OnEndings != nil {
		return a.OnEndings(ctx, refs)
	}
	return a.Store.Endings(ctx, refs)
}

func (a *Store) List(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
	if a.OnList != nil {
		return a.OnList(ctx, req)
	}
	return a.Store.List(ctx, req)
}

func (a *Store) Stats(ctx context.Context) (driver.Stats, error) {
	if a.OnStats != nil {
		return a.OnStats(ctx)
	}
	return a.Store.Stats(ctx)
}

func (a *Store) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	if a.OnReap != nil {
		return a.OnReap(ctx, req)
	}
	return a.Store.Reap(ctx, req)
}

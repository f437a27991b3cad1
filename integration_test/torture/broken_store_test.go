package torture_test

import (
	"context"

	"github.com/sqlsessions/sessions/driver"
)

// A broken is a store that breaks one promise. Its functions, where there are any, take the
// place of the store's.
type broken struct {
	driver.Store
	create  func(context.Context, driver.CreateRequest) (driver.SaveResult, error)
	load    func(context.Context, driver.Ref) (driver.Row, error)
	save    func(context.Context, driver.SaveRequest) (driver.SaveResult, error)
	touch   func(context.Context, driver.TouchRequest) (driver.SaveResult, error)
	end     func(context.Context, driver.EndRequest) error
	endAll  func(context.Context, driver.EndAllRequest) (driver.EndAllResult, error)
	endings func(context.Context, []driver.Ref) ([]driver.Ending, error)
	list    func(context.Context, driver.ListRequest) ([]driver.Row, error)
	marks   func(context.Context, driver.MarksRequest) ([]driver.SetMark, error)
}

func (b *broken) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	if b.create != nil {
		return b.create(ctx, req)
	}
	return b.Store.Create(ctx, req)
}

func (b *broken) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	if b.load != nil {
		return b.load(ctx, ref)
	}
	return b.Store.Load(ctx, ref)
}

func (b *broken) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	if b.save != nil {
		return b.save(ctx, req)
	}
	return b.Store.Save(ctx, req)
}

func (b *broken) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	if b.touch != nil {
		return b.touch(ctx, req)
	}
	return b.Store.Touch(ctx, req)
}

func (b *broken) End(ctx context.Context, req driver.EndRequest) error {
	if b.end != nil {
		return b.end(ctx, req)
	}
	return b.Store.End(ctx, req)
}

func (b *broken) EndAll(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
	if b.endAll != nil {
		return b.endAll(ctx, req)
	}
	return b.Store.EndAll(ctx, req)
}

func (b *broken) Endings(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
	if b.endings != nil {
		return b.endings(ctx, refs)
	}
	return b.Store.Endings(ctx, refs)
}

func (b *broken) List(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
	if b.list != nil {
		return b.list(ctx, req)
	}
	return b.Store.List(ctx, req)
}

func (b *broken) Marks(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
	if b.marks != nil {
		return b.marks(ctx, req)
	}
	return b.Store.Marks(ctx, req)
}

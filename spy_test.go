package sessions_test

import (
	"context"
	"slices"
	"sync"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// A spy counts the calls of a store, and runs before (if not nil) ahead of
// each one, which may wait, or fail the call.
type spy struct {
	sessions.Store
	before func(op string) error

	mu    sync.Mutex
	calls map[string]int
}

func newSpy() *spy { return &spy{Store: memstore.New()} }

func (s *spy) call(op string) error {
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[op]++
	before := s.before
	s.mu.Unlock()
	if before != nil {
		return before(op)
	}
	return nil
}

// count returns how often ops were called since the last reset, or all that
// were when none is named.
func (s *spy) count(ops ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	if len(ops) == 0 {
		for _, c := range s.calls {
			n += c
		}
	}
	for _, op := range ops {
		n += s.calls[op]
	}
	return n
}

func (s *spy) reset(before func(op string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.before = nil, before
}

// failing returns a hook that fails the ops named.
func failing(err error, ops ...string) func(string) error {
	return func(op string) error {
		if slices.Contains(ops, op) {
			return err
		}
		return nil
	}
}

func (s *spy) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	if err := s.call("load"); err != nil {
		return driver.Row{}, err
	}
	return s.Store.Load(ctx, ref)
}

func (s *spy) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	if err := s.call("create"); err != nil {
		return driver.SaveResult{}, err
	}
	return s.Store.Create(ctx, req)
}

// Save counts as "renew" where it gives the session a new token.
func (s *spy) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	op := "save"
	if req.Verifier != req.From.Verifier {
		op = "renew"
	}
	if err := s.call(op); err != nil {
		return driver.SaveResult{}, err
	}
	return s.Store.Save(ctx, req)
}

func (s *spy) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	if err := s.call("touch"); err != nil {
		return driver.SaveResult{}, err
	}
	return s.Store.Touch(ctx, req)
}

func (s *spy) End(ctx context.Context, req driver.EndRequest) error {
	if err := s.call("end"); err != nil {
		return err
	}
	return s.Store.End(ctx, req)
}

func (s *spy) Endings(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
	if err := s.call("endings"); err != nil {
		return nil, err
	}
	return s.Store.Endings(ctx, refs)
}

func (s *spy) Reap(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
	if err := s.call("reap"); err != nil {
		return driver.ReapResult{}, err
	}
	return s.Store.Reap(ctx, req)
}

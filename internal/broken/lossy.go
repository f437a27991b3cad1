package broken

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/altered"
)

// Lossy is a store that reaches another through a connection which can break. Each call is
// one exchange.
type Lossy struct {
	driver.Store

	mu     sync.Mutex
	left   int  // exchanges until the one that fails; 0: none
	answer bool // what gets lost is the answer
	closed bool
}

// NewLossy returns a store that keeps its rows in s, over a connection that works.
func NewLossy(s driver.Store) *Lossy {
	l := &Lossy{}
	l.Store = &altered.Store{
		Store: s,
		OnLoad: func(ctx context.Context, ref driver.Ref) (driver.Row, error) {
			return through(l, func() (driver.Row, error) { return s.Load(ctx, ref) })
		},
		OnCreate: func(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
			return through(l, func() (driver.SaveResult, error) { return s.Create(ctx, req) })
		},
		OnSave: func(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
			return through(l, func() (driver.SaveResult, error) { return s.Save(ctx, req) })
		},
		OnTouch: func(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
			return through(l, func() (driver.SaveResult, error) { return s.Touch(ctx, req) })
		},
		OnEnd: func(ctx context.Context, req driver.EndRequest) error {
			_, err := through(l, func() (struct{}, error) { return struct{}{}, s.End(ctx, req) })
			return err
		},
		OnEndAll: func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
			return through(l, func() (driver.EndAllResult, error) { return s.EndAll(ctx, req) })
		},
		OnMarks: func(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
			return through(l, func() ([]driver.SetMark, error) { return s.Marks(ctx, req) })
		},
		OnEndings: func(ctx context.Context, refs []driver.Ref) ([]driver.Ending, error) {
			return through(l, func() ([]driver.Ending, error) { return s.Endings(ctx, refs) })
		},
		OnList: func(ctx context.Context, req driver.ListRequest) ([]driver.Row, error) {
			return through(l, func() ([]driver.Row, error) { return s.List(ctx, req) })
		},
		OnStats: func(ctx context.Context) (driver.Stats, error) {
			return through(l, func() (driver.Stats, error) { return s.Stats(ctx) })
		},
		OnReap: func(ctx context.Context, req driver.ReapRequest) (driver.ReapResult, error) {
			return through(l, func() (driver.ReapResult, error) { return s.Reap(ctx, req) })
		},
	}
	return l
}

// Lose makes the nth exchange from now fail: its answer gets lost, or the statement.
func (l *Lossy) Lose(answer bool, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.answer = n, answer
}

// Lost reports whether that has happened. If not, it is called off.
func (l *Lossy) Lost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.left
	l.left = 0
	return was == 0
}

// Close makes every later exchange fail.
func (l *Lossy) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

func (l *Lossy) exchange() (lost, lostAnswer bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return true, false
	}
	if l.left > 0 {
		if l.left--; l.left == 0 {
			return !l.answer, l.answer
		}
	}
	return false, false
}

func through[T any](l *Lossy, call func() (T, error)) (result T, err error) {
	statement, answer := l.exchange()
	if statement {
		return result, fmt.Errorf("send: %w", io.ErrClosedPipe)
	}
	got, err := call()
	if answer {
		return result, fmt.Errorf("receive: %w", io.ErrUnexpectedEOF)
	}
	return got, err
}

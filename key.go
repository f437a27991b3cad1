package sessions

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/names"
	"github.com/sqlsessions/sessions/internal/ops"
)

// A Key names one value of type T in a session. Make it once, as a package
// variable, and use it from any goroutine:
//
//	var visits = sessions.NewKey[int]("visits")
//
// Values are kept as JSON under the key's name. Two keys with the same name are
// the same value. The zero Key has no name; using it panics.
type Key[T any] struct {
	name    string
	numbers bool
}

// NewKey returns the key with the given name: 1 to 128 bytes of UTF-8 without
// control characters, not beginning with "$", which this package reserves.
// It panics on any other name, because a key is part of the program's text, and on a T that
// JSON can't hold or give back: a channel, an interface other than any, a struct with no
// exported field or with one JSON name twice, and what has one of these in it.
func NewKey[T any](name string) Key[T] {
	t := reflect.TypeFor[T]()
	if err := cmp.Or(names.CheckKey(name), document.CheckType(name, t)); err != nil {
		panic(err)
	}
	return Key[T]{name: name, numbers: document.HoldsInterface(t)}
}

// checkedName returns the name, and panics if there is none.
func (k Key[T]) checkedName() string {
	if k.name == "" {
		panic("sessions: a Key that NewKey did not make has no name")
	}
	return k.name
}

// Get returns the value, and false when the session has none or holds something
// that is not a T, which is logged. Lookup tells the two apart.
func (k Key[T]) Get(s *Session) (T, bool) {
	v, err := k.Lookup(s)
	if errors.Is(err, ErrValue) {
		s.core.misread.Log(s.parent, s.core.options.logger(), slog.LevelWarn, "sessions: a value was taken for none", "id", s.ID(), "error", err)
	}
	return v, err == nil
}

// Lookup returns the value. The error wraps [ErrNotFound] when the session has
// none, and [ErrValue] when it holds something that is not a T.
func (k Key[T]) Lookup(s *Session) (T, error) { return k.decode(s.peek(k.checkedName())) }

// Set stores v, replacing whatever is there. If JSON can't hold v (a channel, NaN,
// invalid UTF-8, more than 30 levels of nesting), nothing is stored and
// [Session.Err] returns an error that wraps [ErrValue]. Setting the bytes that are
// there already writes nothing.
func (k Key[T]) Set(s *Session, v T) {
	name := k.checkedName()
	raw, err := document.EncodeValue(v)
	if err != nil {
		s.refuse(name, err)
		return
	}
	s.set(name, raw)
}

// Update stores f(current value), or f(zero T) if there is none, and returns what it
// stored. What is there and is not a T, another version of the program may have stored:
// it stays, f does not run, and [Session.Err] returns an error that wraps [ErrValue]. When
// another request saved first, f runs again on that request's value, inside of a save, so f
// must depend on its argument alone and have no side effects. The argument is freshly
// decoded: f may change it. If f changes or saves the session, that is refused, and
// [Session.Err] returns an error that wraps [ErrInvalid]. f must not wait for another
// goroutine that does: a Save there would wait for the one that runs f, and fails with
// [ErrUnavailable] after [Options].Timeout.
func (k Key[T]) Update(s *Session, f func(T) T) T {
	apply := func(raw json.RawMessage) (T, json.RawMessage, error) {
		v, err := k.decode(raw)
		if errors.Is(err, ErrValue) {
			return v, nil, err
		}
		s.seal.updates.Run(func() { v = f(v) })
		next, err := document.EncodeValue(v)
		return v, next, err
	}
	replay := func(raw json.RawMessage) (json.RawMessage, error) {
		_, next, err := apply(raw)
		return next, err
	}
	name := k.checkedName()
	raw, may := s.beginUpdate(name)
	if !may {
		v, _ := k.decode(raw)
		return v
	}
	for range maxRuns { // f runs without the session's lock, so the value may have changed by then
		v, next, err := apply(raw)
		if err != nil {
			s.refuse(name, err)
			return v
		}
		now, done := s.update(name, raw, next, replay)
		switch {
		case done && bytes.Equal(now, next):
			return v
		case done: // refused
			v, _ = k.decode(now)
			return v
		}
		raw = now
	}
	s.refuse(name, errRestless)
	v, _ := k.decode(raw)
	return v
}

// Pop returns the value and deletes it: a message to show once. Two parallel
// requests may both get it, so it is no protection for a single-use token. What is not a T
// stays.
func (k Key[T]) Pop(s *Session) (T, bool) {
	v, ok := k.Get(s)
	if ok {
		k.Delete(s)
	}
	return v, ok
}

// Delete removes the value, if there is one.
func (k Key[T]) Delete(s *Session) { s.delete(k.checkedName()) }

// decode returns the zero T if raw is nil or not a T. The error leaves out what
// encoding/json says, because that quotes the value.
func (k Key[T]) decode(raw json.RawMessage) (T, error) {
	var v, zero T
	if raw == nil {
		return zero, fmt.Errorf("%w: no value under the key %q", ErrNotFound, k.name)
	}
	if err := document.DecodeValue(raw, &v, k.numbers); err != nil {
		return zero, fmt.Errorf("%w: key %q does not hold a %v", ErrValue, k.name, reflect.TypeFor[T]())
	}
	return v, nil
}

func (s *Session) peek(name string) json.RawMessage {
	s.lock()
	defer s.mu.Unlock()
	return s.state.now.Doc.Get(name)
}

func (s *Session) set(name string, raw json.RawMessage) {
	s.lock()
	defer s.mu.Unlock()
	if !s.mayChangeLocked("Set") {
		return
	}
	if err := s.core.protocol.Check(name); err != nil {
		s.refuseLocked(name, err)
		return
	}
	s.recordLocked(ops.Op{Kind: ops.Set, Name: name, Raw: raw})
}

// beginUpdate returns the value that an Update begins with, and whether it may.
func (s *Session) beginUpdate(name string) (raw json.RawMessage, may bool) {
	s.lock()
	defer s.mu.Unlock()
	return s.state.now.Doc.Get(name), s.mayChangeLocked("Update")
}

// update records what f made of the value was, and returns what is there now. It is not done
// if that has become another one, which a save can have brought too.
func (s *Session) update(name string, was, raw json.RawMessage, f func(json.RawMessage) (json.RawMessage, error)) (now json.RawMessage, done bool) {
	s.lock()
	defer s.mu.Unlock()
	now = s.state.now.Doc.Get(name)
	if !s.mayChangeLocked("Update") {
		return now, true
	}
	if err := s.core.protocol.Check(name); err != nil {
		s.refuseLocked(name, err)
		return now, true
	}
	if !bytes.Equal(now, was) {
		return now, false
	}
	s.recordLocked(ops.Op{Kind: ops.Update, Name: name, Raw: raw, Replay: f})
	return raw, true
}

func (s *Session) delete(name string) {
	s.lock()
	defer s.mu.Unlock()
	if s.mayChangeLocked("Delete") {
		s.recordLocked(ops.Op{Kind: ops.Delete, Name: name})
	}
}

// refuse notes why a value can't be kept.
func (s *Session) refuse(name string, err error) {
	s.lock()
	defer s.mu.Unlock()
	if s.mayChangeLocked("Set") {
		s.refuseLocked(name, err)
	}
}

func (s *Session) refuseLocked(name string, err error) {
	s.err = cmp.Or(s.err, fmt.Errorf("sessions: set %q: %w", name, err))
}

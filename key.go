package sessions

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sqlsessions/sessions/internal/document"
)

// maxNameLength bounds a key's name, in bytes.
const maxNameLength = 128

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
// It panics on any other name, because a key is part of the program's text.
func NewKey[T any](name string) Key[T] {
	if err := checkName(name); err != nil {
		panic(err)
	}
	return Key[T]{name: name, numbers: holdsInterface(reflect.TypeFor[T](), nil)}
}

func checkName(name string) error {
	switch {
	case name == "" || len(name) > maxNameLength:
		return fmt.Errorf("sessions: key name %.40q has %d bytes; use 1 to %d", name, len(name), maxNameLength)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("sessions: key name %q holds control characters or is not UTF-8", name)
	case name[0] == '$':
		return fmt.Errorf("sessions: key name %q begins with $, which is reserved", name)
	}
	return nil
}

// holdsInterface reports whether decoding into t can put a number into an
// interface. It runs once for each key, so that reading a value need not reflect.
func holdsInterface(t reflect.Type, seen []reflect.Type) bool {
	if slices.Contains(seen, t) {
		return false
	}
	seen = append(seen, t)
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array, reflect.Map, reflect.Pointer, reflect.Slice:
		return holdsInterface(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsInterface(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

// checkedName returns the name, and panics if there is none.
func (k Key[T]) checkedName() string {
	if k.name == "" {
		panic("sessions: a Key that NewKey did not make has no name")
	}
	return k.name
}

// Get returns the value, and false when the session has none or holds something
// that is not a T. Lookup tells the two apart.
func (k Key[T]) Get(s *Session) (T, bool) {
	v, err := k.Lookup(s)
	return v, err == nil
}

// Lookup returns the value. The error wraps [ErrNotFound] when the session has
// none, and [ErrValue] when it holds something that is not a T.
func (k Key[T]) Lookup(s *Session) (T, error) {
	raw, _ := s.peek(k.checkedName())
	return k.decode(raw)
}

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

// Update stores f(current value), or f(zero T) if there is none or it is not a T,
// and returns what it stored. When another request saved first, f runs again on that
// request's value, so f must depend on its argument alone, have no side effects and
// not use the session. The argument is freshly decoded: f may change it.
func (k Key[T]) Update(s *Session, f func(T) T) T {
	apply := func(raw json.RawMessage) (T, json.RawMessage, error) {
		v, _ := k.decode(raw)
		v = f(v)
		next, err := document.EncodeValue(v)
		return v, next, err
	}
	replay := func(raw json.RawMessage) (json.RawMessage, error) {
		_, next, err := apply(raw)
		return next, err
	}
	for { // f runs without the session's lock, so the value may have changed by then
		raw, generation := s.peek(k.checkedName())
		v, next, err := apply(raw)
		if err != nil {
			s.refuse(k.name, err)
			return v
		}
		if s.update(k.name, generation, next, replay) {
			return v
		}
	}
}

// Pop returns the value and deletes it: a message to show once. Two parallel
// requests may both get it, so it is no protection for a single-use token.
func (k Key[T]) Pop(s *Session) (T, bool) {
	v, ok := k.Get(s)
	k.Delete(s)
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

func (s *Session) peek(name string) (json.RawMessage, int) {
	s.lock()
	defer s.mu.Unlock()
	return s.state.now.doc.Get(name), s.generation
}

func (s *Session) set(name string, raw json.RawMessage) {
	s.lock()
	defer s.mu.Unlock()
	if err := s.core.protocol.Check(name); err != nil {
		s.refuseLocked(name, err)
		return
	}
	s.recordLocked(op{kind: opSet, name: name, raw: raw})
}

// update records what f returned for a value. It reports false, and does nothing, if
// the session has changed since peek returned that generation.
func (s *Session) update(name string, generation int, raw json.RawMessage, f func(json.RawMessage) (json.RawMessage, error)) bool {
	s.lock()
	defer s.mu.Unlock()
	if err := s.core.protocol.Check(name); err != nil {
		s.refuseLocked(name, err)
		return true
	}
	if s.generation != generation {
		return false
	}
	s.recordLocked(op{kind: opUpdate, name: name, raw: raw, replay: f})
	return true
}

func (s *Session) delete(name string) {
	s.lock()
	defer s.mu.Unlock()
	s.recordLocked(op{kind: opDelete, name: name})
}

func (s *Session) refuse(name string, err error) {
	s.lock()
	defer s.mu.Unlock()
	s.refuseLocked(name, err)
}

func (s *Session) refuseLocked(name string, err error) {
	s.err = cmp.Or(s.err, fmt.Errorf("sessions: set %q: %w", name, err))
}

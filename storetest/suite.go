package storetest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// suite is one test's view of the store. Its methods end the test when something
// is wrong, apart from those whose names begin with "try", which return the
// store's answer and can be used by any goroutine.
type suite struct {
	*testing.T
	Harness
	store driver.Store
}

const (
	idle     = 2 * time.Hour
	absolute = 24 * time.Hour
)

// life is a new row's, and saving keeps the absolute limit.
var (
	life   = driver.Life{Idle: idle, Absolute: absolute}
	saving = driver.Life{Idle: idle}
)

// near reports whether d is want, give or take the time that a few statements take on a
// slow machine.
func near(d, want time.Duration) bool {
	const slack = time.Minute
	return (d - want).Abs() < slack
}

// text is the data without white space, which a parsed column may add. Another rule checks
// that other columns keep all bytes.
func text(r driver.Row) string {
	var b bytes.Buffer
	if err := json.Compact(&b, r.Data); err != nil {
		return err.Error()
	}
	return b.String()
}

// ref returns a name and proof that no row has.
func (s *suite) ref() driver.Ref { return s.next(driver.Ref{ID: driver.ID(uuid.Format(uuid.New()))}) }

// next returns how to refer to a row after it gets a new verifier.
func (s *suite) next(r driver.Ref) driver.Ref {
	if s.Ref != nil {
		return s.Ref()
	}
	var b [32]byte
	_, _ = rand.Read(b[:])
	return driver.Ref{ID: r.ID, Verifier: driver.Verifier(b[:])}
}

// row returns a row that the store does not have yet.
func (s *suite) row() driver.Row { return driver.Row{Ref: s.ref(), Data: []byte(`{"a":1}`)} }

func (s *suite) age(d time.Duration) { s.Helper(); s.Age(s.T, s.store, d) }

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected error: %v", err)
	}
}

func (s *suite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("got error %v, want one that wraps %v", err, want)
	}
}

// refused checks the error of a create or save.
func (s *suite) refused(want error) func(driver.Row, error) {
	return func(_ driver.Row, err error) { s.Helper(); s.is(err, want) }
}

// out checks that r's name and proof open nothing and write nothing, and that no save with
// them gives a row the verifier of to.
func (s *suite) out(r driver.Row, to driver.Ref) {
	s.Helper()
	for _, life := range []driver.Life{saving, life} {
		s.refused(driver.ErrNotFound)(s.trySave(r, life))
		s.refused(driver.ErrNotFound)(s.tryRenew(r, to, life))
		s.is(s.tryTouch(r.Ref, life), driver.ErrNotFound)
	}
	for _, throttle := range []time.Duration{time.Minute, 100 * absolute} {
		s.is(s.tryTouch(r.Ref, driver.Life{Idle: idle, Throttle: throttle}), driver.ErrNotFound)
	}
	s.gone(r.Ref)
}

// noError is must for any goroutine.
func (s *suite) noError(method string, err error) {
	s.Helper()
	if err != nil {
		s.Errorf("%s: %v", method, err)
	}
}

// expires checks in how much time a row expires.
func (s *suite) expires(ref driver.Ref, want time.Duration) {
	s.Helper()
	s.lives(ref, want, s.load(ref).AbsoluteIn)
}

// lives checks in how much time a row expires and reaches its absolute limit.
func (s *suite) lives(ref driver.Ref, wantIdle, wantAbsolute time.Duration) {
	s.Helper()
	got := s.load(ref)
	if !near(got.ExpiresIn, wantIdle) || !near(got.AbsoluteIn, wantAbsolute) || got.ExpiresIn > got.AbsoluteIn {
		s.Errorf("expires in %v, limit in %v, want %v and %v", got.ExpiresIn, got.AbsoluteIn, wantIdle, wantAbsolute)
	}
}

// tryCreate returns the row with its version.
func (s *suite) tryCreate(r driver.Row, life driver.Life) (driver.Row, error) {
	result, err := s.store.Create(s.Context(), driver.CreateRequest{Ref: r.Ref, User: r.User, Label: r.Label, Data: r.Data, Life: life})
	r.Version = result.Version
	return r, err
}

func (s *suite) insert(r driver.Row, life driver.Life) driver.Row {
	s.Helper()
	r, err := s.tryCreate(r, life)
	s.must(err)
	return r
}

func (s *suite) create() driver.Row { s.Helper(); return s.createAs("", life) }

func (s *suite) createAs(user string, life driver.Life) driver.Row {
	s.Helper()
	r := s.row()
	r.User = user
	return s.insert(r, life)
}

func (s *suite) createMany(n int, user string, life driver.Life) []driver.Row {
	s.Helper()
	rows := make([]driver.Row, n)
	for i := range rows {
		rows[i] = s.createAs(user, life)
	}
	return rows
}

func (s *suite) createLabelled(user, label string) driver.Row {
	s.Helper()
	r := s.row()
	r.User, r.Label = user, label
	return s.insert(r, life)
}

func (s *suite) load(ref driver.Ref) driver.Row {
	s.Helper()
	r, err := s.store.Load(s.Context(), ref)
	s.must(err)
	return r
}

func (s *suite) gone(refs ...driver.Ref) {
	s.Helper()
	for _, ref := range refs {
		_, err := s.store.Load(s.Context(), ref)
		s.is(err, driver.ErrNotFound)
	}
}

// unchanged loads the row, which must be as it was last written.
func (s *suite) unchanged(rows ...driver.Row) {
	s.Helper()
	for _, want := range rows {
		got := s.load(want.Ref)
		if got.Ref != want.Ref || got.Version != want.Version || got.User != want.User || got.Label != want.Label || text(got) != text(want) {
			s.Fatalf("loaded %s version %d %q %q %s, want %s version %d %q %q %s",
				got.ID, got.Version, got.User, got.Label, got.Data, want.ID, want.Version, want.User, want.Label, want.Data)
		}
	}
}

// trySave saves r, if the store has it with the same version.
func (s *suite) trySave(r driver.Row, life driver.Life) (driver.Row, error) {
	return s.tryRenew(r, r.Ref, life)
}

// tryRenew is trySave with the verifier of to. Both return the row as it is then; after an
// error that is the same row.
func (s *suite) tryRenew(r driver.Row, to driver.Ref, life driver.Life) (driver.Row, error) {
	result, err := s.store.Save(s.Context(), driver.SaveRequest{
		From: r.Ref, Version: r.Version, Verifier: to.Verifier, User: r.User, Label: r.Label, Data: r.Data, Life: life,
	})
	if err == nil {
		r.Ref, r.Version = to, result.Version
	}
	return r, err
}

func (s *suite) save(r driver.Row, life driver.Life) driver.Row {
	s.Helper()
	return s.saveAs(r, r.Ref, life)
}

func (s *suite) renew(r driver.Row, life driver.Life) driver.Row {
	s.Helper()
	return s.saveAs(r, s.next(r.Ref), life)
}

func (s *suite) saveAs(r driver.Row, to driver.Ref, life driver.Life) driver.Row {
	s.Helper()
	r, err := s.tryRenew(r, to, life)
	s.must(err)
	return r
}

// authenticate saves r as a sign-in does.
func (s *suite) authenticate(r driver.Row, to driver.Ref, life driver.Life) driver.Row {
	s.Helper()
	result, err := s.store.Save(s.Context(), driver.SaveRequest{
		From: r.Ref, Version: r.Version, Verifier: to.Verifier, User: r.User, Data: r.Data, Life: life, Authenticated: true,
	})
	s.must(err)
	r.Ref, r.Version = to, result.Version
	return r
}

func (s *suite) tryTouch(ref driver.Ref, life driver.Life) error {
	_, err := s.store.Touch(s.Context(), driver.TouchRequest{Ref: ref, Life: life})
	return err
}

func (s *suite) touch(ref driver.Ref, life driver.Life) { s.Helper(); s.must(s.tryTouch(ref, life)) }

func (s *suite) tryEnd(id driver.ID) error {
	return s.store.End(s.Context(), driver.EndRequest{ID: id})
}

func (s *suite) tryEndOf(user string, id driver.ID) error {
	return s.store.End(s.Context(), driver.EndRequest{ID: id, User: &user})
}

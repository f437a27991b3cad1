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
func (s *suite) ref() driver.Ref {
	if s.Ref != nil {
		return s.Ref()
	}
	return driver.Ref{ID: driver.ID(uuid.Format(uuid.New())), Verifier: randomVerifier()}
}

func randomVerifier() driver.Verifier {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return driver.Verifier(b[:])
}

// next returns how to refer to a row after it gets a new verifier.
func (s *suite) next(r driver.Ref) driver.Ref {
	if s.Ref != nil {
		return s.Ref()
	}
	return driver.Ref{ID: r.ID, Verifier: randomVerifier()}
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
func (s *suite) refused(want error) func(driver.Version, error) {
	return func(_ driver.Version, err error) { s.Helper(); s.is(err, want) }
}

// expires checks in how much time a row expires.
func (s *suite) expires(ref driver.Ref, want time.Duration) {
	s.Helper()
	if got := s.load(ref).ExpiresIn; !near(got, want) {
		s.Errorf("expires in %v, want %v", got, want)
	}
}

func (s *suite) tryCreate(r driver.Row, life driver.Life) (driver.Version, error) {
	result, err := s.store.Create(s.Context(), driver.CreateRequest{Ref: r.Ref, User: r.User, Label: r.Label, Data: r.Data, Life: life})
	return result.Version, err
}

// insert creates the row and returns it with its version.
func (s *suite) insert(r driver.Row, life driver.Life) driver.Row {
	s.Helper()
	v, err := s.tryCreate(r, life)
	s.must(err)
	r.Version = v
	return r
}

func (s *suite) create() driver.Row { s.Helper(); return s.insert(s.row(), life) }

func (s *suite) createAs(user string, life driver.Life) driver.Row {
	s.Helper()
	r := s.row()
	r.User = user
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
func (s *suite) trySave(r driver.Row, life driver.Life) (driver.Version, error) {
	return s.tryRenew(r, r.Ref, life)
}

// tryRenew is trySave with the verifier of to.
func (s *suite) tryRenew(r driver.Row, to driver.Ref, life driver.Life) (driver.Version, error) {
	result, err := s.store.Save(s.Context(), driver.SaveRequest{
		From: r.Ref, Version: r.Version, Verifier: to.Verifier, User: r.User, Label: r.Label, Data: r.Data, Life: life,
	})
	return result.Version, err
}

// save returns the row with its new version, and renew with its new verifier too.
func (s *suite) save(r driver.Row, life driver.Life) driver.Row {
	s.Helper()
	v, err := s.trySave(r, life)
	s.must(err)
	r.Version = v
	return r
}

func (s *suite) renew(r driver.Row, life driver.Life) driver.Row {
	s.Helper()
	to := s.next(r.Ref)
	v, err := s.tryRenew(r, to, life)
	s.must(err)
	r.Ref, r.Version = to, v
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

func (s *suite) endAll(req driver.EndAllRequest) int {
	s.Helper()
	n, err := s.store.EndAll(s.Context(), req)
	s.must(err)
	return n
}

func (s *suite) list(req driver.ListRequest) []driver.Row {
	s.Helper()
	rows, err := s.store.List(s.Context(), req)
	s.must(err)
	return rows
}

// ends, listsNone and reaps check how many rows a call ends, lists or deletes.
func (s *suite) ends(want int, req driver.EndAllRequest) {
	s.Helper()
	if n := s.endAll(req); n != want {
		s.Errorf("ended %d rows, want %d: %+v", n, want, req)
	}
}

func (s *suite) listsNone(req driver.ListRequest) {
	s.Helper()
	if n := len(s.list(req)); n != 0 {
		s.Errorf("listed %d rows, want none: %+v", n, req)
	}
}

func (s *suite) reaps(want, limit int) {
	s.Helper()
	if n := s.reap(limit); n != want {
		s.Errorf("deleted %d rows, want %d", n, want)
	}
}

func (s *suite) stats() driver.Stats {
	s.Helper()
	stats, err := s.store.Stats(s.Context())
	s.must(err)
	return stats
}

func (s *suite) count(live int) {
	s.Helper()
	if n := s.stats().Live; n != live {
		s.Fatalf("the store counts %d live rows, want %d", n, live)
	}
}

// reap calls Reap until there is no more, and returns how many rows went.
func (s *suite) reap(limit int) (deleted int) {
	s.Helper()
	for range 100 {
		result, err := s.store.Reap(s.Context(), driver.ReapRequest{Limit: limit})
		s.must(err)
		if result.Deleted > limit {
			s.Fatalf("deleted %d at once, with a limit of %d", result.Deleted, limit)
		}
		if deleted += result.Deleted; !result.More {
			return deleted
		}
	}
	s.Fatalf("deleted %d in 100 calls, and there is still more", deleted)
	return deleted
}

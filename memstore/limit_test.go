package memstore_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
	"github.com/sqlsessions/sessions/memstore"
)

var life = driver.Life{Idle: time.Hour, Absolute: time.Hour}

func newStore(t *testing.T, limit int) *memstore.Store {
	t.Helper()
	s, err := memstore.New().With(memstore.Options{Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newRef() driver.Ref {
	return driver.Ref{ID: driver.ID(uuid.Format(uuid.New())), Verifier: "proof"}
}

func create(t *testing.T, s *memstore.Store) driver.Row {
	t.Helper()
	ref := newRef()
	result, err := s.Create(t.Context(), driver.CreateRequest{Ref: ref, Data: []byte("{}"), Life: life})
	if err != nil {
		t.Fatal(err)
	}
	return driver.Row{Ref: ref, Version: result.Version}
}

func alive(t *testing.T, s *memstore.Store, r driver.Row) bool {
	t.Helper()
	rows, err := s.List(t.Context(), driver.ListRequest{ID: r.ID, Limit: 1}) // which is no use
	if err != nil {
		t.Fatal(err)
	}
	return len(rows) == 1
}

func TestLimit(t *testing.T) {
	t.Parallel()
	s := newStore(t, 10)
	var all []driver.Row
	for range 25 {
		all = append(all, create(t, s))
		if stats, err := s.Stats(t.Context()); stats.Live > 10 || err != nil {
			t.Fatalf("%d sessions, %v, the limit is 10", stats.Live, err)
		}
	}
	for i, r := range all {
		if got, want := alive(t, s, r), i >= 15; got != want {
			t.Errorf("session %d of 25 is alive: %v, want %v", i, got, want)
		}
	}
}

func TestTheLeastRecentlyUsedGoesFirst(t *testing.T) {
	t.Parallel()
	for what, use := range map[string]func(s *memstore.Store, r driver.Row) error{
		"load": func(s *memstore.Store, r driver.Row) error {
			_, err := s.Load(t.Context(), r.Ref)
			return err
		},
		"touch": func(s *memstore.Store, r driver.Row) error {
			_, err := s.Touch(t.Context(), driver.TouchRequest{Ref: r.Ref, Life: life})
			return err
		},
		"save": func(s *memstore.Store, r driver.Row) error {
			_, err := s.Save(t.Context(), driver.SaveRequest{From: r.Ref, Version: r.Version, Verifier: r.Verifier, Life: life})
			return err
		},
		"a new verifier": func(s *memstore.Store, r driver.Row) error {
			_, err := s.Save(t.Context(), driver.SaveRequest{From: r.Ref, Version: r.Version, Verifier: "another", Life: life})
			return err
		},
	} {
		s := newStore(t, 3)
		a, b, c := create(t, s), create(t, s), create(t, s)
		if err := use(s, a); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		d := create(t, s)
		if !alive(t, s, a) || alive(t, s, b) || !alive(t, s, c) || !alive(t, s, d) {
			t.Errorf("%s: alive are %v %v %v %v, want all but the second", what, alive(t, s, a), alive(t, s, b), alive(t, s, c), alive(t, s, d))
		}
		// Nothing of what was evicted is left.
		if _, err := s.Create(t.Context(), driver.CreateRequest{Ref: b.Ref, Life: life}); err != nil {
			t.Errorf("%s: the ID of the evicted one: %v", what, err)
		}
	}
}

func TestAnEndMakesRoom(t *testing.T) {
	t.Parallel()
	s := newStore(t, 2)
	a, b := create(t, s), create(t, s)
	if err := s.End(t.Context(), driver.EndRequest{ID: b.ID}); err != nil {
		t.Fatal(err)
	}
	c := create(t, s)
	if !alive(t, s, a) || !alive(t, s, c) {
		t.Errorf("alive are %v and %v, want both", alive(t, s, a), alive(t, s, c))
	}
}

func TestTheEndedGoFirst(t *testing.T) {
	t.Parallel()
	s := newStore(t, 4)
	rows := []driver.Row{create(t, s), create(t, s), create(t, s), create(t, s)}
	for _, i := range []int{2, 1} {
		if err := s.End(t.Context(), driver.EndRequest{ID: rows[i].ID, Keep: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	for _, gone := range []driver.ID{rows[2].ID, rows[1].ID, rows[0].ID} {
		create(t, s)
		endings, err := s.Endings(t.Context(), []driver.Ref{rows[0].Ref, rows[1].Ref, rows[2].Ref, rows[3].Ref})
		var last driver.ID
		for _, e := range endings {
			if e.Gone && e.ID == gone {
				last = e.ID
			}
		}
		if last != gone || err != nil {
			t.Fatalf("%s did not make room: %+v, %v", gone, endings, err)
		}
	}
	if !alive(t, s, rows[3]) {
		t.Error("the session used last had to go")
	}
}

func TestDefaultLimit(t *testing.T) {
	t.Parallel()
	const limit = 100_000
	for _, s := range []*memstore.Store{memstore.New(), newStore(t, 0)} {
		for range limit + 1 {
			create(t, s)
		}
		if stats, err := s.Stats(t.Context()); stats.Live != limit || err != nil {
			t.Errorf("%d rows, %v; want %d", stats.Live, err, limit)
		}
	}
	if _, err := memstore.New().With(memstore.Options{Limit: -1}); !errors.Is(err, driver.ErrInvalid) {
		t.Errorf("a limit of -1: %v, want ErrInvalid", err)
	}
}

// A flood of dead rows that nobody reaps does not push the living out.
func TestTheDeadGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 3)
		create(t, s)
		create(t, s)
		time.Sleep(2 * time.Hour)
		living := create(t, s)
		create(t, s)
		create(t, s)
		if !alive(t, s, living) {
			t.Error("a living session had to go while dead rows were there")
		}
	})
}

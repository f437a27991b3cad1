package sessions_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

func TestMemoryStoreIsBounded(t *testing.T) {
	t.Parallel()
	m := newManager(t, sessions.NewMemoryStore(10))
	var all []*visitor
	for range 25 {
		all = append(all, loggedIn(t, m))
		if n, _ := m.Count(t.Context()); n > 10 {
			t.Fatalf("%d sessions, the limit is 10", n)
		}
	}
	for i, v := range all {
		if got, want := v.alive(), i >= 15; got != want {
			t.Errorf("session %d of 25 is alive: %v, want %v", i, got, want)
		}
	}
}

func TestMemoryStoreEvictsTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	for what, use := range map[string]func(v *visitor){
		"load":  func(v *visitor) { v.alive() },
		"save":  func(v *visitor) { v.visit(func(s *sessions.Session) { count.Set(s, 2) }) },
		"renew": func(v *visitor) { v.visit(func(s *sessions.Session) { s.Regenerate() }) },
	} {
		m := newManager(t, sessions.NewMemoryStore(3))
		a, b, c := loggedIn(t, m), loggedIn(t, m), loggedIn(t, m)
		use(a)
		d := loggedIn(t, m)
		if !a.alive() || b.alive() || !c.alive() || !d.alive() {
			t.Errorf("%s: alive are %v %v %v %v, want all but the second", what, a.alive(), b.alive(), c.alive(), d.alive())
		}
	}
}

func TestMemoryStoreTouchCountsAsUse(t *testing.T) {
	t.Parallel()
	store := sessions.NewMemoryStore(2)
	life := driver.Life{Idle: time.Hour, Absolute: time.Hour}
	refs := map[string]driver.Ref{"a": randomRef(), "b": randomRef(), "c": randomRef()}
	create := func(name string) {
		if _, err := store.Create(t.Context(), driver.CreateRequest{Ref: refs[name], Data: []byte("{}"), Life: life}); err != nil {
			t.Fatal(err)
		}
	}
	create("a")
	create("b")
	if _, err := store.Touch(t.Context(), driver.TouchRequest{Ref: refs["a"], Life: life}); err != nil {
		t.Fatal(err)
	}
	create("c")
	for name, want := range map[string]error{"a": nil, "b": sessions.ErrNotFound, "c": nil} {
		if _, err := store.Load(t.Context(), refs[name]); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	create("b") // nothing of what was evicted is left
}

func TestMemoryStoreMakesRoomAfterDelete(t *testing.T) {
	t.Parallel()
	m := newManager(t, sessions.NewMemoryStore(2))
	a, b := loggedIn(t, m), loggedIn(t, m)
	b.visit(func(s *sessions.Session) { s.Destroy() })
	c := loggedIn(t, m)
	if !a.alive() || !c.alive() {
		t.Errorf("alive are %v and %v, want both", a.alive(), c.alive())
	}
}

func TestMemoryStoreDefaultLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, -1} {
		store := sessions.NewMemoryStore(limit)
		life := driver.Life{Idle: time.Hour, Absolute: time.Hour}
		for range sessions.DefaultMemoryLimit + 1 {
			if _, err := store.Create(t.Context(), driver.CreateRequest{Ref: randomRef(), Life: life}); err != nil {
				t.Fatal(err)
			}
		}
		if stats, err := store.Stats(t.Context()); stats.Live != sessions.DefaultMemoryLimit || err != nil {
			t.Errorf("limit %d: %d rows, %v; want %d", limit, stats.Live, err, sessions.DefaultMemoryLimit)
		}
	}
}

// A flood of dead rows that nobody sweeps does not push the living out.
func TestMemoryStoreEvictsTheDeadFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, sessions.NewMemoryStore(3))
		loggedIn(t, m)
		loggedIn(t, m)
		time.Sleep(25 * time.Hour)
		living := loggedIn(t, m)
		loggedIn(t, m)
		loggedIn(t, m)
		if !living.alive() {
			t.Error("a living session had to go while dead rows were there")
		}
	})
}

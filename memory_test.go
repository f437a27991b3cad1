package sessions_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
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
		"rekey": func(v *visitor) { v.visit(func(s *sessions.Session) { s.Regenerate() }) },
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
	ttl := sessions.TTL{Idle: time.Hour, Absolute: time.Hour}
	create := func(key string) {
		if err := store.Create(t.Context(), sessions.Record{Key: sessions.RowKey(key), Handle: "handle " + key, Data: []byte("{}")}, ttl); err != nil {
			t.Fatal(err)
		}
	}
	create("a")
	create("b")
	if err := store.Touch(t.Context(), "a", ttl); err != nil {
		t.Fatal(err)
	}
	create("c")
	for key, want := range map[sessions.RowKey]error{"a": nil, "b": sessions.ErrNotFound, "c": nil} {
		if _, err := store.Load(t.Context(), key); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", string(key), err, want)
		}
	}
	create("b") // neither key nor handle of what was evicted is left behind
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
		ttl := sessions.TTL{Idle: time.Hour, Absolute: time.Hour}
		for i := range sessions.DefaultMemoryLimit + 1 {
			r := sessions.Record{Key: sessions.RowKey(fmt.Sprint(i)), Handle: fmt.Sprint(i)}
			if err := store.Create(t.Context(), r, ttl); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := store.Count(t.Context()); n != sessions.DefaultMemoryLimit || err != nil {
			t.Errorf("limit %d: %d rows, %v; want %d", limit, n, err, sessions.DefaultMemoryLimit)
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

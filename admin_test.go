package sessions_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/altered"
	"github.com/sqlsessions/sessions/memstore"
)

func TestListAndRevoke(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	var ids []sessions.ID
	for _, user := range []string{"ann", "ann", "bob", ""} {
		v := loggedIn(t, m)
		v.visit(func(s *sessions.Session) { s.SetUser(user) })
		ids = append(ids, look(v, (*sessions.Session).ID))
	}
	list := func(user string) (got []sessions.ID) {
		for s, err := range m.SessionsOf(t.Context(), user) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s.ID())
		}
		return got
	}
	if got, want := list("ann"), slices.Sorted(slices.Values(ids[:2])); !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	for _, err := range m.SessionsOf(t.Context(), "") {
		if !errors.Is(err, sessions.ErrInvalid) {
			t.Errorf("SessionsOf nobody yields %v", err)
		}
	}
	if _, err := m.RevokeUser(t.Context(), ""); !errors.Is(err, sessions.ErrInvalid) {
		t.Errorf("RevokeUser of nobody returns %v", err)
	}
	if n, err := m.RevokeUser(t.Context(), "ann", ids[0], ids[2]); n != 1 || err != nil {
		t.Errorf("RevokeUser ended %d, %v; want 1", n, err)
	}
	if got := list("ann"); !slices.Equal(got, ids[:1]) {
		t.Errorf("left %q, want %q", got, ids[:1])
	}
	if err := m.Revoke(t.Context(), "bob", ids[2]); err != nil {
		t.Error(err)
	}
	if err := m.Revoke(t.Context(), "bob", ids[2]); !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("the second Revoke returns %v", err)
	}
	wantRows(t, m, 2)
}

// A user may have more sessions than one call of the store ends.
func TestRevokeEndsEachPage(t *testing.T) {
	t.Parallel()
	store := &altered.Store{Store: memstore.New()}
	store.OnEndAll = func(ctx context.Context, req driver.EndAllRequest) (driver.EndAllResult, error) {
		req.Limit = 2
		return store.Store.EndAll(ctx, req)
	}
	m := newManager(t, store)
	revoke := map[string]func() (int, error){
		"ann": func() (int, error) { return m.RevokeUser(t.Context(), "ann") },
		"bob": func() (int, error) { return m.RevokeAll(t.Context()) },
	}
	for user, f := range revoke {
		for range 5 {
			newVisitor(t, m).visit(func(s *sessions.Session) { s.SetUser(user) })
		}
		if n, err := f(); n < 5 || err != nil {
			t.Errorf("%s: ended %d, %v", user, n, err)
		}
		for s := range m.SessionsOf(t.Context(), user) {
			t.Errorf("%s: %s is live", user, s.ID())
		}
	}
}

// A device page shows an ID; the session gets a new token before the button is pressed.
func TestRevokeEndsASessionWhateverItsTokenHasBecome(t *testing.T) {
	t.Parallel()
	for what, renew := range map[string]func(*sessions.Session){
		"Regenerate": func(s *sessions.Session) { s.Regenerate() },
		"SetUser":    func(s *sessions.Session) { s.SetUser("ann") },
	} {
		m := newManager(t, memstore.New())
		v := loggedIn(t, m)
		v.visit(func(s *sessions.Session) { s.SetUser("ann") })
		id := look(v, (*sessions.Session).ID)
		v.visit(renew)
		if got := look(v, (*sessions.Session).ID); got != id {
			t.Errorf("%s changed the ID from %s to %s", what, id, got)
		}
		if err := m.Revoke(t.Context(), "ann", id); err != nil || v.alive() {
			t.Errorf("%s: Revoke returns %v, alive %v", what, err, v.alive())
		}
		wantRows(t, m, 0)
	}
}

func TestRevokeEndsOnlyTheSessionOfTheUserNamed(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New())
	v, visitor := loggedIn(t, m), loggedIn(t, m)
	v.visit(func(s *sessions.Session) { s.SetUser("ann") })
	id := look(v, (*sessions.Session).ID)
	for _, user := range []string{"bob", "", "Ann", "ann "} {
		if err := m.Revoke(t.Context(), user, id); !errors.Is(err, sessions.ErrNotFound) || !v.alive() {
			t.Errorf("%q ended ann's session, or: %v", user, err)
		}
	}
	if err := m.Revoke(t.Context(), "", look(visitor, (*sessions.Session).ID)); err != nil || visitor.alive() {
		t.Errorf("a visitor's session: %v, alive %v", err, visitor.alive())
	}
}

// What is no ID costs no query, whatever a database would make of it.
func TestRevokeRefusesWhatIsNoID(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	v := loggedIn(t, m)
	v.visit(func(s *sessions.Session) { s.SetUser("ann") })
	id := string(look(v, (*sessions.Session).ID))
	store.reset(nil)
	for _, bad := range []string{
		"", "handle", strings.ToUpper(id), "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""),
		id + " ", id[1:], id + "," + id, "\xff", "\x00", strings.Repeat("a", 1<<20), "'; DROP TABLE sessions; --",
	} {
		err := m.Revoke(t.Context(), "ann", sessions.ID(bad))
		if !errors.Is(err, sessions.ErrNotFound) || len(err.Error()) > 300 {
			t.Errorf("Revoke of %.50q returns %.300v", bad, err)
		}
		if n, err := m.RevokeUser(t.Context(), "ann", sessions.ID(bad)); n != 0 || !errors.Is(err, sessions.ErrInvalid) {
			t.Errorf("RevokeUser except %.50q: %d, %.300v", bad, n, err)
		}
	}
	if n := store.count(); n != 0 || !v.alive() {
		t.Errorf("%d calls of the store; alive %v", n, v.alive())
	}
}

func TestRevokeWrapsErrUnavailable(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	store.reset(failing(errDown, "end"))
	if err := m.Revoke(t.Context(), "ann", randomRef().ID); !errors.Is(err, sessions.ErrUnavailable) || !errors.Is(err, errDown) {
		t.Errorf("Revoke returns %v", err)
	}
}

// sessionRows yields what the store has.
func sessionRows(t *testing.T, store sessions.Store) func(func(driver.Row, error) bool) {
	return func(yield func(driver.Row, error) bool) {
		rows, err := store.List(t.Context(), driver.ListRequest{All: true, Limit: 100})
		if len(rows) == 0 {
			err = errors.Join(err, io.ErrUnexpectedEOF)
		}
		for _, row := range rows {
			if !yield(row, err) {
				return
			}
		}
		if err != nil {
			yield(driver.Row{}, err)
		}
	}
}

// What no session can have as a user costs no statement.
func TestUsersThatNobodyIs(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	id := look(loggedIn(t, m), (*sessions.Session).ID)
	store.reset(func(op string) error { t.Errorf("the store was asked to %s", op); return nil })
	for _, user := range []string{"\xff", "a\x00", string(make([]byte, 256))} {
		if err := m.Revoke(t.Context(), user, id); !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("Revoke of %.9q: %v, want ErrNotFound", user, err)
		}
		if n, err := m.RevokeUser(t.Context(), user); n != 0 || !errors.Is(err, sessions.ErrInvalid) {
			t.Errorf("RevokeUser of %.9q: %d, %v, want ErrInvalid", user, n, err)
		}
		for _, err := range m.SessionsOf(t.Context(), user) {
			if !errors.Is(err, sessions.ErrInvalid) {
				t.Errorf("SessionsOf %.9q: %v, want ErrInvalid", user, err)
			}
		}
	}
}

func TestAnUnreadableSessionIsNotOverwritten(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	m := newManager(t, store)
	v := loggedIn(t, m)
	v.visit(func(s *sessions.Session) { s.SetUser("ann") })
	rows, err := store.List(t.Context(), driver.ListRequest{User: "ann", Limit: 10})
	if err != nil || len(rows) != 1 {
		t.Fatal(len(rows), err)
	}
	rows[0].Data = []byte(`{"broken`)
	if err := saveRow(t, store, rows[0]); err != nil {
		t.Fatal(err)
	}
	for s, err := range m.SessionsOf(t.Context(), "ann") {
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			count.Set(s, 7)
			if err := s.Save(t.Context()); !errors.Is(err, sessions.ErrValue) {
				t.Errorf("Save returns %v", err)
			}
			s.Discard() // of the change, not of the reason
		}
		s.Destroy()
		if err := s.Save(t.Context()); err != nil {
			t.Errorf("Destroy: %v", err)
		}
	}
	wantRows(t, m, 0)
}

package storetest

import (
	"context"
	"errors"
	"strings"

	"github.com/sqlsessions/sessions/driver"
)

var rowRules = []rule{
	{"load of a missing row is ErrNotFound", func(s *suite) { s.gone(s.ref()) }},
	{"a row loads as it was created", func(s *suite) {
		want := s.createAs("alice", life)
		s.unchanged(want)
		got := s.load(want.Ref)
		if got.Version == 0 {
			s.Error("the version is 0")
		}
		if !near(got.ExpiresIn, idle) || got.AbsoluteIn < got.ExpiresIn {
			s.Errorf("expires in %v and %v, want %v", got.ExpiresIn, got.AbsoluteIn, idle)
		}
	}},
	{"create never overwrites", func(s *suite) {
		first := s.createAs("alice", life)
		again := first
		again.User, again.Data = "mallory", []byte(`{"stolen":true}`)
		s.refused(driver.ErrExists)(s.tryCreate(again, life))
		s.unchanged(first)
		s.count(1)
	}},
	{"create does not take the place of a dead row", func(s *suite) {
		dead := s.create()
		s.age(idle + 1e9)
		s.refused(driver.ErrExists)(s.tryCreate(dead, life))
		s.gone(dead.Ref)
	}},
	{"save replaces user and data and changes the version", func(s *suite) {
		r := s.createAs("alice", life)
		was := r.Version
		r.User, r.Data = "bob", []byte(`{"b":2}`)
		r = s.save(r, saving)
		s.unchanged(r)
		if r.Version == was || r.Version == 0 {
			s.Errorf("version %d after a save, before %d", r.Version, was)
		}
		r.User = ""
		s.unchanged(s.save(r, saving))
	}},
	{"save on another version is ErrConflict and changes nothing", func(s *suite) {
		r := s.createAs("alice", life)
		stale := r
		stale.User, stale.Data = "mallory", []byte(`{"lost":true}`)
		r.Data = []byte(`{"b":2}`)
		r = s.save(r, saving)
		s.refused(driver.ErrConflict)(s.trySave(stale, saving))
		s.refused(driver.ErrConflict)(s.trySave(stale, life))
		s.unchanged(r)
	}},
	{"save of a missing row is ErrNotFound and makes none", func(s *suite) {
		r := s.row()
		r.Version = 1
		s.out(r, s.next(r.Ref))
		s.count(0)
	}},
	{"touch of a missing row is ErrNotFound and makes none", func(s *suite) {
		s.is(s.tryTouch(s.ref(), saving), driver.ErrNotFound)
		s.count(0)
	}},
	{"an error of a broken store wraps none of the sentinels", func(s *suite) {
		if s.Break == nil {
			return
		}
		r := s.create()
		s.Break(s.T, s.store)
		s.everyMethod(s.Context(), r, s.saysNothingAboutTheRow)
	}},
	{"an error of a call whose context has ended wraps none of the sentinels", func(s *suite) {
		r := s.create()
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		s.everyMethod(ctx, r, s.saysNothingAboutTheRow)
		s.unchanged(r)
	}},
	{"an error of a call whose context has ended wraps the cause", func(s *suite) {
		r := s.create()
		ctx, cancel := context.WithCancelCause(s.Context())
		cause := errors.New("the caller's reason")
		cancel(cause)
		parallel(64, func(int) { // among so many a store may let some wait
			s.everyMethod(ctx, r, func(method string, err error) {
				if !errors.Is(err, cause) {
					s.Errorf("%s: %v does not wrap context.Cause", method, err)
				}
			})
		})
	}},
}

// everyMethod calls each method, and then check with its error.
func (s *suite) everyMethod(ctx context.Context, r driver.Row, check func(method string, err error)) {
	call := func(method string, f func() error) { check(method, f()) }
	create := driver.CreateRequest{Ref: s.ref(), Data: r.Data, Life: life}
	save := driver.SaveRequest{From: r.Ref, Version: r.Version, Verifier: r.Verifier, Data: r.Data, Life: saving}
	renew := save
	renew.Verifier, renew.Life = s.next(r.Ref).Verifier, life
	call("Load", func() error { _, err := s.store.Load(ctx, r.Ref); return err })
	call("Create", func() error { _, err := s.store.Create(ctx, create); return err })
	call("Save", func() error { _, err := s.store.Save(ctx, save); return err })
	call("Save with a new verifier", func() error { _, err := s.store.Save(ctx, renew); return err })
	call("Touch", func() error { _, err := s.store.Touch(ctx, driver.TouchRequest{Ref: r.Ref, Life: saving}); return err })
	call("End", func() error { return s.store.End(ctx, driver.EndRequest{ID: r.ID}) })
	call("EndAll of a user", func() error { _, err := s.store.EndAll(ctx, driver.EndAllRequest{User: "u", Limit: 1}); return err })
	call("EndAll", func() error { _, err := s.store.EndAll(ctx, driver.EndAllRequest{All: true, Limit: 1}); return err })
	call("EndAll with a mark", func() error {
		_, err := s.store.EndAll(ctx, driver.EndAllRequest{User: "u", Limit: 1, Mark: driver.Mark{Number: 1, Keep: 1}})
		return err
	})
	if ctx.Err() != nil { // otherwise a store without marks can answer without its database
		call("Marks", func() error { _, err := s.store.Marks(ctx, driver.MarksRequest{ID: r.ID, User: "u"}); return err })
	}
	call("Endings", func() error { _, err := s.store.Endings(ctx, []driver.Ref{r.Ref}); return err })
	call("List", func() error { _, err := s.store.List(ctx, driver.ListRequest{All: true, Limit: 1}); return err })
	call("List of an ID", func() error { _, err := s.store.List(ctx, driver.ListRequest{ID: r.ID, Limit: 1}); return err })
	call("Stats", func() error { _, err := s.store.Stats(ctx); return err })
	call("Reap", func() error { _, err := s.store.Reap(ctx, driver.ReapRequest{Limit: 1}); return err })
}

// saysNothingAboutTheRow checks that an error is none that would say what became of the row.
func (s *suite) saysNothingAboutTheRow(method string, err error) {
	s.Helper()
	if err == nil {
		s.Errorf("%s: no error", method)
	}
	for _, sentinel := range []error{driver.ErrNotFound, driver.ErrConflict, driver.ErrExists} {
		if errors.Is(err, sentinel) {
			s.Errorf("%s: %v wraps %v, which says something about the row", method, err, sentinel)
		}
	}
}

// documents are JSON texts that databases often change: key order, number
// text, duplicate escapes, NUL, characters outside the basic plane, white space.
var documents = []string{
	`{}`,
	`{"z":1,"a":2,"m":3}`,
	`{"n":9007199254740993,"f":1.10,"e":1E+2,"big":123456789012345678901234567890,"neg":-0.0}`,
	`{"nul":"a\u0000b","esc":"\u00e9é\/","pair":"\ud83d\ude00😀"}`,
	`{"ws": [1 ,  2],	"nl":
1}`,
	`{"":"empty name"," ":"space","日本":"語","quote\"d":"\\"}`,
	`{"deep":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `}`,
	`{"long":"` + strings.Repeat("x", 200_000) + `"}`,
	`{"t":true,"f":false,"0":null}`,
	`{"sql":"'; DROP TABLE sessions; --","pct":"%s $1 ? :a"}`,
}

// names are users and labels that a database could mistake for one another.
var names = []string{"alice", "Alice", "alice ", " ", "álice", "'", `"; --`, "a\tb", "%", strings.Repeat("u", 255)}

// badUsers are no UTF-8 without NUL of at most 255 bytes.
var badUsers = []string{"\xff", "alice\x00", "\x00", "alice\xc3", strings.Repeat("u", 256), strings.Repeat("ü", 128), strings.Repeat("u", 100_000)}

var byteRules = []rule{
	{"data comes back byte for byte", func(s *suite) {
		for _, doc := range documents {
			r := s.row()
			r.Data = []byte(doc)
			r, err := s.tryCreate(r, life)
			if err != nil {
				s.Errorf("create %.80s: %v", doc, err)
				continue
			}
			if got := s.load(r.Ref); string(got.Data) != doc {
				s.Errorf("created %.120s, loaded %.120s", doc, got.Data)
			}
			r = s.save(r, saving)
			if got := s.load(r.Ref); string(got.Data) != doc {
				s.Errorf("saved %.120s, loaded %.120s", doc, got.Data)
			}
			if got := s.listOne(driver.ListRequest{ID: r.ID, Limit: 1}); string(got.Data) != doc {
				s.Errorf("saved %.120s, listed %.120s", doc, got.Data)
			}
		}
	}},
	{"the store keeps no slices of its callers", func(s *suite) {
		r := s.create()
		copy(r.Data, `{"X":9}`)
		first := s.load(r.Ref)
		if text(first) != `{"a":1}` {
			s.Fatalf("loaded %s", first.Data)
		}
		copy(first.Data, `{"Y":8}`)
		listed := s.listOne(driver.ListRequest{All: true, Limit: 1})
		if text(listed) != `{"a":1}` {
			s.Fatalf("listed %s", listed.Data)
		}
		copy(listed.Data, `{"Z":7}`)
		if got := s.load(r.Ref); text(got) != `{"a":1}` {
			s.Fatalf("loaded %s", got.Data)
		}
		r.Data = []byte(`{"b":2}`)
		s.save(r, saving)
		copy(r.Data, `{"X":9}`)
		if got := s.load(r.Ref); text(got) != `{"b":2}` {
			s.Fatalf("loaded %s", got.Data)
		}
	}},
	{"a user that no row can have has no rows, and can't get one", func(s *suite) {
		r := s.createAs("alice", life)
		for _, user := range badUsers {
			bad := s.row()
			bad.User = user
			s.refused(driver.ErrValue)(s.tryCreate(bad, life))
			s.gone(bad.Ref)
			changed := r
			changed.User = user
			s.refused(driver.ErrValue)(s.trySave(changed, saving))
			s.is(s.tryEndOf(user, r.ID), driver.ErrNotFound)
			s.listsNone(driver.ListRequest{User: user, Limit: 10})
			s.ends(0, driver.EndAllRequest{User: user, Limit: 10})
		}
		s.unchanged(r)
		s.count(1)
	}},
	{"users are compared byte by byte", func(s *suite) {
		for _, user := range names {
			s.createAs(user, life)
		}
		for i, user := range names {
			r := s.listOne(driver.ListRequest{User: user, Limit: 10})
			if r.User != user {
				s.Fatalf("list of %q has a row of %q", user, r.User)
			}
			s.is(s.tryEndOf(names[(i+1)%len(names)], r.ID), driver.ErrNotFound)
		}
		for i, user := range names {
			s.ends(1, driver.EndAllRequest{User: user, Limit: 10})
			s.count(len(names) - i - 1)
		}
	}},
}

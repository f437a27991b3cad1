package storetest

import (
	"testing"

	"github.com/sqlsessions/sessions"
)

var rowTests = map[string]func(*testing.T, *suite){
	"load of a missing row is ErrNotFound": func(t *testing.T, s *suite) {
		s.gone(s.Record().Key)
	},
	"a created row loads as it was": func(t *testing.T, s *suite) {
		want := s.createAs("alice", ttl)
		got := s.load(want.Key)
		if got.Key != want.Key || got.Handle != want.Handle || got.User != "alice" || text(got) != text(want) {
			t.Errorf("loaded %q %q %q, want %q %q %q", got.Handle, got.User, got.Data, want.Handle, want.User, want.Data)
		}
		if got.Version <= 0 {
			t.Errorf("version %d", got.Version)
		}
		if !near(got.ExpiresIn, idle) || got.AbsoluteIn < got.ExpiresIn {
			t.Errorf("expires in %v and %v, want %v", got.ExpiresIn, got.AbsoluteIn, idle)
		}
	},
	"create never overwrites": func(t *testing.T, s *suite) {
		first := s.create()
		again := s.Record()
		again.Key, again.Data = first.Key, []byte(`{"stolen":true}`)
		s.is(s.store.Create(t.Context(), again, ttl), sessions.ErrExists)
		if got := s.load(first.Key); text(got) != text(first) || got.Version != first.Version {
			t.Errorf("the first row changed to %s, version %d", got.Data, got.Version)
		}
	},
	"create does not take the place of a dead row": func(t *testing.T, s *suite) {
		dead := s.create()
		s.age(idle + 1e9)
		s.is(s.store.Create(t.Context(), dead, ttl), sessions.ErrExists)
		s.gone(dead.Key)
	},
	"save replaces user and data and moves the version": func(t *testing.T, s *suite) {
		r := s.createAs("alice", ttl)
		r.User, r.Data = "bob", []byte(`{"b":2}`)
		v := s.save(r, saving)
		got := s.load(r.Key)
		if got.User != "bob" || text(got) != `{"b":2}` || got.Version != v || v == r.Version {
			t.Errorf("got %q %s version %d, want bob {\"b\":2} and version %d", got.User, got.Data, got.Version, v)
		}
		if got.Handle != r.Handle {
			t.Errorf("save changed the handle to %q", got.Handle)
		}
		r.User, r.Version = "", v
		s.save(r, saving)
		if got := s.load(r.Key); got.User != "" {
			t.Errorf("user is %q after it was taken away", got.User)
		}
	},
	"save on another version is ErrConflict and changes nothing": func(t *testing.T, s *suite) {
		r := s.create()
		stale := r
		r.Data, stale.Data = []byte(`{"b":2}`), []byte(`{"lost":true}`)
		s.save(r, saving)
		_, err := s.store.Save(t.Context(), stale, saving)
		s.is(err, sessions.ErrConflict)
		if got := s.load(r.Key); text(got) != text(r) {
			t.Errorf("data is %s", got.Data)
		}
	},
	"save of a missing row is ErrNotFound and makes none": func(t *testing.T, s *suite) {
		r := s.Record()
		r.Version = 1
		_, err := s.store.Save(t.Context(), r, saving)
		s.is(err, sessions.ErrNotFound)
		s.gone(r.Key)
		s.count(0)
	},
	"a deleted row does not come back": func(t *testing.T, s *suite) {
		r := s.create()
		s.must(s.store.Delete(t.Context(), r.Key))
		_, err := s.store.Save(t.Context(), r, saving)
		s.is(err, sessions.ErrNotFound)
		s.must(s.store.Touch(t.Context(), r.Key, saving))
		to := s.Record()
		to.Version = r.Version
		_, err = s.store.Rekey(t.Context(), r.Key, to, ttl)
		s.is(err, sessions.ErrNotFound)
		s.gone(r.Key)
		s.gone(to.Key)
		s.count(0)
	},
	"deleting twice is no error": func(t *testing.T, s *suite) {
		r := s.create()
		s.must(s.store.Delete(t.Context(), r.Key))
		s.must(s.store.Delete(t.Context(), r.Key))
	},
	"rekey moves the row, and exactly one key is live": func(t *testing.T, s *suite) {
		r := s.createAs("alice", ttl)
		to := s.Record()
		to.User, to.Data, to.Version = "bob", []byte(`{"b":2}`), r.Version
		v, err := s.store.Rekey(t.Context(), r.Key, to, saving)
		s.must(err)
		s.gone(r.Key)
		got := s.load(to.Key)
		if got.Version != v || got.User != "bob" || text(got) != `{"b":2}` {
			t.Errorf("got %+v", got)
		}
		s.count(1)
	},
	"rekey can change the handle": func(t *testing.T, s *suite) {
		r := s.create()
		to := s.Record()
		to.Version = r.Version
		_, err := s.store.Rekey(t.Context(), r.Key, to, ttl)
		s.must(err)
		if got := s.load(to.Key); got.Handle != to.Handle {
			t.Errorf("handle %q, want %q", got.Handle, to.Handle)
		}
		s.is(s.store.DeleteHandle(t.Context(), r.Handle), sessions.ErrNotFound)
	},
	"rekey on another version is ErrConflict": func(t *testing.T, s *suite) {
		r := s.create()
		changed := r
		changed.Data = []byte(`{"b":2}`)
		s.save(changed, saving)
		to := s.Record()
		to.Version = r.Version
		_, err := s.store.Rekey(t.Context(), r.Key, to, ttl)
		s.is(err, sessions.ErrConflict)
		s.gone(to.Key)
		s.load(r.Key)
	},
	"rekey onto a taken key is ErrExists": func(t *testing.T, s *suite) {
		r, other := s.create(), s.create()
		to := sessions.Record{Key: other.Key, Handle: r.Handle, Data: []byte(`{"stolen":true}`), Version: r.Version}
		_, err := s.store.Rekey(t.Context(), r.Key, to, saving)
		s.is(err, sessions.ErrExists)
		s.load(r.Key)
		if got := s.load(other.Key); got.Handle != other.Handle || got.Version != other.Version || text(got) != text(other) {
			t.Errorf("the other row changed: %+v", got)
		}
	},
	"the old key is dead for a slow writer after a rekey": func(t *testing.T, s *suite) {
		r := s.create()
		to := s.Record()
		to.Version = r.Version
		_, err := s.store.Rekey(t.Context(), r.Key, to, saving)
		s.must(err)
		_, err = s.store.Save(t.Context(), r, saving)
		s.is(err, sessions.ErrNotFound)
		s.gone(r.Key)
		s.count(1)
	},
	"delete by handle": func(t *testing.T, s *suite) {
		r, other := s.create(), s.create()
		s.must(s.store.DeleteHandle(t.Context(), r.Handle))
		s.gone(r.Key)
		s.load(other.Key)
		s.is(s.store.DeleteHandle(t.Context(), r.Handle), sessions.ErrNotFound)
	},
	"a broken store answers with an error that is none of the sentinels": func(t *testing.T, s *suite) {
		if s.Break == nil {
			return
		}
		r := s.create()
		s.Break(t, s.store)
		_, loadErr := s.store.Load(t.Context(), r.Key)
		_, saveErr := s.store.Save(t.Context(), r, saving)
		_, rekeyErr := s.store.Rekey(t.Context(), r.Key, r, saving)
		_, userErr := s.store.DeleteUser(t.Context(), "u", nil)
		_, allErr := s.store.DeleteAll(t.Context(), 1)
		_, _, expiredErr := s.store.DeleteExpired(t.Context(), 1)
		_, backlogErr := s.store.CountExpired(t.Context())
		_, listErr := s.store.List(t.Context(), "", "", 1)
		_, countErr := s.store.Count(t.Context())
		notSentinel(t, map[string]error{
			"Load": loadErr, "Save": saveErr, "Rekey": rekeyErr, "DeleteUser": userErr, "DeleteAll": allErr,
			"DeleteExpired": expiredErr, "CountExpired": backlogErr, "List": listErr, "Count": countErr,
			"Create":       s.store.Create(t.Context(), s.Record(), ttl),
			"Touch":        s.store.Touch(t.Context(), r.Key, saving),
			"Delete":       s.store.Delete(t.Context(), r.Key),
			"DeleteHandle": s.store.DeleteHandle(t.Context(), r.Handle),
		})
	},
	"a caller that has left gets an error that is none of the sentinels": func(t *testing.T, s *suite) {
		r := s.create()
		ctx, cancel := contextWithCancel(t)
		cancel()
		_, loadErr := s.store.Load(ctx, r.Key)
		_, saveErr := s.store.Save(ctx, r, saving)
		notSentinel(t, map[string]error{"Load": loadErr, "Save": saveErr, "Delete": s.store.Delete(ctx, r.Key)})
		if got := s.load(r.Key); got.Version != r.Version {
			t.Error("the row changed all the same")
		}
	},
}

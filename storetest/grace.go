package storetest

import (
	"errors"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// renewWithGrace gives a row a new verifier, and the one before a grace.
func (s *suite) renewWithGrace(r driver.Row, grace time.Duration) driver.Row {
	s.Helper()
	return s.saveWith(r, s.next(r.Ref), driver.SaveRequest{Grace: grace, Life: saving})
}

// saveWith saves r with the verifier of to and what only the request has.
func (s *suite) saveWith(r driver.Row, to driver.Ref, req driver.SaveRequest) driver.Row {
	s.Helper()
	req.From, req.Version, req.Verifier, req.User, req.Label, req.Data = r.Ref, r.Version, to.Verifier, r.User, r.Label, r.Data
	result, err := s.store.Save(s.Context(), req)
	s.must(err)
	r.Ref, r.Version = to, result.Version
	return r
}

// opensBy checks that a proof which is not the row's newest opens it.
func (s *suite) opensBy(proof driver.Verifier, r driver.Row) {
	s.Helper()
	got := s.load(driver.Ref{ID: r.ID, Verifier: proof})
	if !got.Previous || got.Ref != r.Ref || got.Version != r.Version || text(got) != text(r) {
		s.Errorf("the verifier before opens %+v, want %+v", got, r)
	}
	if got = s.load(r.Ref); got.Previous {
		s.Error("the row's own verifier counts as the one before")
	}
}

// replaced checks that load says how long ago a newer verifier came.
func (s *suite) replaced(proof driver.Verifier, r driver.Row, ago time.Duration) {
	s.Helper()
	_, err := s.store.Load(s.Context(), driver.Ref{ID: r.ID, Verifier: proof})
	s.is(err, driver.ErrNotFound)
	var replaced *driver.ReplacedError
	if !errors.As(err, &replaced) || !near(replaced.Ago, ago) {
		s.Errorf("load: %v, %+v; want a ReplacedError of %v ago", err, replaced, ago)
	}
}

// notFound checks that an error is ErrNotFound and says nothing of a newer verifier.
func (s *suite) notFound(err error) {
	s.Helper()
	s.is(err, driver.ErrNotFound)
	if errors.As(err, new(*driver.ReplacedError)) {
		s.Errorf("%v speaks of a newer verifier", err)
	}
}

func (s *suite) loadNotFound(ref driver.Ref) {
	s.Helper()
	_, err := s.store.Load(s.Context(), ref)
	s.notFound(err)
}

// graceRules are about verifiers before the one that a row has.
var graceRules = []rule{
	{"replaced verifiers/load says that there is a newer one, and since when", func(s *suite) {
		old := s.createAs("alice", life)
		s.age(time.Hour)
		s.replaced(s.ref().Verifier, old, time.Hour)
		r := s.renew(old, saving)
		s.replaced(old.Verifier, r, 0)
		s.age(10 * time.Minute)
		r = s.save(r, saving)
		s.touch(r.Ref, saving)
		s.replaced(old.Verifier, r, 10*time.Minute)
		s.replaced("short", r, 10*time.Minute)
		if got := s.load(r.Ref).VerifierAge; !near(got, 10*time.Minute) {
			s.Errorf("the verifier is %v old, want 10 minutes", got)
		}
		if got := s.listOne(driver.ListRequest{User: "alice", Limit: 1}).VerifierAge; !near(got, 10*time.Minute) {
			s.Errorf("listed with a verifier that is %v old, want 10 minutes", got)
		}
	}},
	{"replaced verifiers/nothing but load says so, and of live rows alone", func(s *suite) {
		old := s.createAs("alice", life)
		r := s.renew(old, saving)
		s.notFound(s.tryTouch(old.Ref, saving))
		_, err := s.trySave(old, saving)
		s.notFound(err)
		_, err = s.tryRenew(old, s.next(old.Ref), saving)
		s.notFound(err)
		s.loadNotFound(s.ref())
		expired := s.renew(s.create(), driver.Life{Idle: time.Minute})
		s.age(2 * time.Minute)
		s.loadNotFound(s.next(expired.Ref))
		s.end(r.ID, time.Hour)
		s.loadNotFound(old.Ref)
		s.loadNotFound(r.Ref)
		s.loadNotFound(driver.Ref{ID: r.ID})
	}},
	{"grace/the verifier before opens the row until its grace ends", func(s *suite) {
		old := s.createAs("alice", life)
		s.age(time.Minute)
		r := s.renewWithGrace(old, 10*time.Minute)
		s.opensBy(old.Verifier, r)
		s.replaced(s.ref().Verifier, r, 0)
		s.age(8 * time.Minute)
		s.opensBy(old.Verifier, r)
		s.age(2 * time.Minute)
		s.replaced(old.Verifier, r, 10*time.Minute)
		s.unchanged(r)
	}},
	{"grace/the verifier before writes nothing", func(s *suite) {
		old := s.createAs("alice", life)
		r := s.renewWithGrace(old, 10*time.Minute)
		s.age(5 * time.Minute)
		for _, version := range []driver.Version{old.Version, r.Version} {
			late := old
			late.Version, late.Data = version, []byte(`{"late":true}`)
			for _, life := range []driver.Life{saving, life} {
				s.refused(driver.ErrNotFound)(s.trySave(late, life))
				s.refused(driver.ErrNotFound)(s.tryRenew(late, s.next(late.Ref), life))
				s.is(s.tryTouch(late.Ref, life), driver.ErrNotFound)
			}
		}
		s.unchanged(r)
		s.opensBy(old.Verifier, r)
		s.expires(r.Ref, idle-5*time.Minute)
	}},
	{"grace/nothing prolongs it", func(s *suite) {
		old := s.createAs("alice", life)
		r := s.renewWithGrace(old, 10*time.Minute)
		for range 3 {
			s.age(3 * time.Minute)
			s.opensBy(old.Verifier, r)
			r = s.saveWith(r, r.Ref, driver.SaveRequest{Grace: time.Hour, Life: life, Authenticated: true})
			s.touch(r.Ref, saving)
			s.opensBy(old.Verifier, r)
		}
		s.age(time.Minute)
		s.replaced(old.Verifier, r, 10*time.Minute)
		s.unchanged(r)
	}},
	{"grace/any other new verifier ends it", func(s *suite) {
		for _, grace := range []time.Duration{0, 10 * time.Minute} {
			first := s.createAs("alice", life)
			second := s.renewWithGrace(first, time.Hour)
			r := s.renewWithGrace(second, grace)
			s.replaced(first.Verifier, r, 0)
			if grace > 0 {
				s.opensBy(second.Verifier, r)
			} else {
				s.replaced(second.Verifier, r, 0)
			}
			r = s.renewWithGrace(r, 0)
			s.replaced(second.Verifier, r, 0)
			s.unchanged(r)
		}
	}},
	{"grace/a row that ended or expired has none", func(s *suite) {
		old := s.createAs("alice", life)
		r := s.renewWithGrace(old, 100*time.Hour)
		revoked := s.createAs("bob", life)
		s.renewWithGrace(revoked, 100*time.Hour)
		expired := s.create()
		s.renewWithGrace(expired, 100*time.Hour)
		s.end(r.ID, time.Hour)
		s.ends(1, driver.EndAllRequest{User: "bob", Limit: 10})
		s.age(idle + time.Second)
		for _, ref := range []driver.Ref{old.Ref, r.Ref, revoked.Ref, expired.Ref} {
			s.loadNotFound(ref)
		}
	}},
}

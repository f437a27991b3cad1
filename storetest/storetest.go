// Package storetest checks that a store keeps the contract of
// [sessions.Store]. A store of your own passes when this does:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{New: ..., Age: ...})
//	}
package storetest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
)

// A Harness is how the suite gets at the store under test.
type Harness struct {
	// New returns a store with no rows in it. Each test calls it once, and tests
	// run one after the other.
	New func(t *testing.T) sessions.Store

	// Age makes all rows of the store older by d, as if d had passed: it moves
	// every time that the store keeps back by d.
	Age func(t *testing.T, store sessions.Store, d time.Duration)

	// Break makes every call of the store fail, as when the database is
	// closed. The store is not used for anything else afterwards. Nil for a store
	// that can't fail.
	Break func(t *testing.T, store sessions.Store)

	// Record makes a record that no other is like, for a store in which not any
	// bytes can be a key, or whose handles follow from the keys. Nil for random ones.
	Record func() sessions.Record

	// Lacks are the subtests that the store can't pass, by their names, with the
	// reasons, which the suite logs. They are not run.
	Lacks map[string]string
}

// Run runs the suite, each rule as a subtest.
func Run(t *testing.T, h Harness) {
	if h.Record == nil {
		h.Record = randomRecord
	}
	groups := []map[string]func(*testing.T, *suite){rowTests, expiryTests, exactTests, byteTests, bulkTests, parallelTests}
	for name, reason := range h.Lacks {
		if reason == "" || !slices.ContainsFunc(groups, func(g map[string]func(*testing.T, *suite)) bool { return g[name] != nil }) {
			t.Errorf("Lacks: %q with the reason %q: there is no such test, or no reason", name, reason)
		}
		t.Logf("not run: %s: %s", name, reason)
	}
	for _, group := range groups {
		for name, test := range group {
			if h.Lacks[name] != "" {
				continue
			}
			t.Run(name, func(t *testing.T) {
				test(t, &suite{T: t, Harness: h, store: h.New(t)})
			})
		}
	}
}

// suite is one test's view of the store. Its methods end the test on errors.
type suite struct {
	*testing.T
	Harness
	store sessions.Store
}

const (
	idle     = 2 * time.Hour
	absolute = 24 * time.Hour
)

var ttl = sessions.TTL{Idle: idle, Absolute: absolute}

// saving is the TTL of a statement that keeps the absolute limit.
var saving = sessions.TTL{Idle: idle}

func randomRecord() sessions.Record {
	var b [48]byte
	_, _ = rand.Read(b[:])
	return sessions.Record{Key: sessions.RowKey(b[:32]), Handle: hex.EncodeToString(b[32:]), Data: []byte(`{"a":1}`)}
}

// text is the data without white space, which a parsed column may add. That other
// columns keep all bytes is a test of its own.
func text(r sessions.Record) string {
	var b bytes.Buffer
	if err := json.Compact(&b, r.Data); err != nil {
		return err.Error()
	}
	return b.String()
}

func (s *suite) age(d time.Duration) { s.Helper(); s.Age(s.T, s.store, d) }

func (s *suite) create() sessions.Record {
	s.Helper()
	return s.createAs("", ttl)
}

func (s *suite) createAs(user string, ttl sessions.TTL) sessions.Record {
	s.Helper()
	r := s.Record()
	r.User = user
	s.must(s.store.Create(s.Context(), r, ttl))
	r.Version = s.load(r.Key).Version
	return r
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected error: %v", err)
	}
}

func (s *suite) load(key sessions.RowKey) sessions.Record {
	s.Helper()
	r, err := s.store.Load(s.Context(), key)
	s.must(err)
	return r
}

func (s *suite) save(r sessions.Record, ttl sessions.TTL) sessions.Version {
	s.Helper()
	v, err := s.store.Save(s.Context(), r, ttl)
	s.must(err)
	return v
}

func (s *suite) gone(key sessions.RowKey) {
	s.Helper()
	_, err := s.store.Load(s.Context(), key)
	s.is(err, sessions.ErrNotFound)
}

func (s *suite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("got error %v, want one that wraps %v", err, want)
	}
}

func (s *suite) count(want int) {
	s.Helper()
	n, err := s.store.Count(s.Context())
	s.must(err)
	if n != want {
		s.Fatalf("the store counts %d live rows, want %d", n, want)
	}
}

// near reports whether d is want, give or take what a slow machine takes for
// a few statements.
func near(d, want time.Duration) bool {
	const slack = time.Minute
	return (d - want).Abs() < slack
}

// expired deletes as a sweep does, and returns how many rows went.
func expired(s *suite, limit int) (deleted int) {
	s.Helper()
	for range 100 {
		n, more, err := s.store.DeleteExpired(s.Context(), limit)
		s.must(err)
		if n > limit {
			s.Fatalf("deleted %d at once, with a limit of %d", n, limit)
		}
		if deleted += n; !more {
			return deleted
		}
	}
	s.Fatalf("deleted %d in 100 batches, and there is still more", deleted)
	return deleted
}

package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

// badIDs are texts that a database could mistake for this ID, and some that it could choke on.
func badIDs(id driver.ID) (bad []driver.ID) {
	text := string(id)
	for _, other := range []string{
		strings.ToUpper(text), "{" + text + "}", "urn:uuid:" + text, strings.ReplaceAll(text, "-", ""), text[:35], text + "0",
		text[:34] + "-" + text[35:], text[:24] + "--" + text[26:], text[:10] + "-" + text[11:],
		" " + text, text + " ", text + "," + text, text + "\x00", text[:35] + "\x00", text[:34] + "\xc3\x28", "\x00", "\xff", "%", "'; --", strings.Repeat("x", 1000),
	} {
		if other != text {
			bad = append(bad, driver.ID(other))
		}
	}
	return bad
}

// nameRules are about rows that keep their ID for life. A store that finds rows by
// verifier and derives the ID can't pass most of them.
var nameRules = []rule{
	{"an ID that is not a canonical UUID ends and lists nothing", func(s *suite) {
		r := s.create()
		for _, id := range badIDs(r.ID) {
			s.is(s.tryEnd(id), driver.ErrNotFound)
			s.is(s.tryEndOf("", id), driver.ErrNotFound)
			s.listsNone(driver.ListRequest{ID: id, Limit: 10})
			s.ended(driver.Ref{ID: id, Verifier: r.Verifier}, driver.Ending{Gone: true}, 0)
		}
		s.is(s.tryEnd(""), driver.ErrNotFound)
		s.unchanged(r)
	}},
	{"an ID that is not a canonical UUID names no row", func(s *suite) {
		r := s.create()
		s.age(time.Hour)
		for _, id := range append(badIDs(r.ID), "") {
			named := r
			named.ID = id
			s.out(named, s.ref())
		}
		s.unchanged(r)
		s.expires(r.Ref, idle-time.Hour)
	}},
	{"a row can't have an ID that is not a canonical UUID", func(s *suite) {
		for _, id := range append(badIDs(s.ref().ID), "") {
			r := s.row()
			r.ID = id
			if _, err := s.tryCreate(r, life); !errors.Is(err, driver.ErrInvalid) {
				s.Errorf("create with the ID %.40q: %v, want ErrInvalid", id, err)
			}
		}
		s.count(0)
	}},
	{"a row can't have a verifier that is not a SHA-256", func(s *suite) {
		r := s.create()
		for _, verifier := range []driver.Verifier{"", "short", r.Verifier[:31], r.Verifier + "x"} {
			bad := s.row()
			bad.Verifier = verifier
			if _, err := s.tryCreate(bad, life); !errors.Is(err, driver.ErrInvalid) {
				s.Errorf("create with a verifier of %d bytes: %v, want ErrInvalid", len(verifier), err)
			}
			s.gone(bad.Ref)
			if _, err := s.tryRenew(r, bad.Ref, saving); !errors.Is(err, driver.ErrInvalid) {
				s.Errorf("save with a verifier of %d bytes: %v, want ErrInvalid", len(verifier), err)
			}
		}
		s.unchanged(r)
		s.count(1)
	}},
	{"an ID with another row's verifier opens nothing", func(s *suite) {
		a, b := s.createAs("alice", life), s.createAs("bob", life)
		s.age(time.Hour)
		for _, version := range []driver.Version{a.Version, b.Version} {
			mixed := a
			mixed.Verifier, mixed.Version = b.Verifier, version
			s.out(mixed, s.next(a.Ref))
		}
		s.unchanged(a, b)
		for _, r := range []driver.Row{a, b} {
			s.expires(r.Ref, idle-time.Hour)
		}
	}},
	{"create never takes an ID that is taken", func(s *suite) {
		first, again := s.create(), s.row()
		again.ID = first.ID
		s.refused(driver.ErrExists)(s.tryCreate(again, life))
		s.gone(again.Ref)
		s.unchanged(first)
		s.age(idle + time.Second)
		s.refused(driver.ErrExists)(s.tryCreate(again, life))
		s.gone(again.Ref, first.Ref)
	}},
	{"IDs can be chosen, and are listed in the order of their bytes", func(s *suite) {
		ids := []driver.ID{
			"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000100", "0123abcd-4567-7890-89ef-0123456789ab",
			"0123abcd-4567-7890-89ef-0123456789ac", "7fffffff-ffff-ffff-ffff-ffffffffffff", "80000000-0000-0000-0000-000000000000",
			"c3280000-0000-4000-8000-202020202020", "ffffffff-ffff-ffff-ffff-ffffffffffff",
		}
		var rows []driver.Row
		for _, i := range []int{5, 2, 8, 7, 0, 4, 1, 6, 3} {
			r := s.row()
			r.ID, r.User = ids[i], "alice"
			rows = append(rows, s.insert(r, life))
		}
		s.unchanged(rows...)
		for i, id := range ids {
			for _, req := range []driver.ListRequest{{All: true}, {User: "alice"}} {
				if req.Limit = 1; i > 0 {
					req.After = ids[i-1]
				}
				if got := s.list(req); len(got) != 1 || got[0].ID != id {
					s.Errorf("listed %+v after %q, want %s", got, req.After, id)
				}
			}
		}
		for i, id := range ids {
			if i%2 == 0 {
				s.must(s.tryEnd(id))
			}
		}
		s.count(len(ids) / 2)
	}},
	{"verifiers can be any bytes", func(s *suite) {
		for _, tail := range []string{"\x00", "\x00\x00", "\xff", "\xfe", "\xc3\x28", "\xc3", " ", "a", "A", "á", `\`, "'"} {
			r := s.row()
			r.Verifier = r.Verifier[len(tail):] + driver.Verifier(tail)
			r.Data = fmt.Appendf(nil, `{"tail":"%x"}`, tail)
			r = s.insert(r, life)
			s.unchanged(r)
			other := r
			other.Verifier = driver.Verifier(tail) + r.Verifier[:32-len(tail)]
			s.gone(other.Ref)
			renewed := s.saveAs(s.save(r, saving), other.Ref, saving)
			s.gone(r.Ref)
			s.unchanged(renewed)
		}
	}},
	{"a new verifier does not change the ID", func(s *suite) {
		old := s.createAs("alice", life)
		r := s.renew(old, life)
		r = s.renew(r, saving)
		for _, req := range []driver.ListRequest{{ID: old.ID}, {User: "alice"}, {All: true}} {
			req.Limit = 10
			if got := s.list(req); len(got) != 1 || got[0].Ref != r.Ref || got[0].Version != r.Version {
				s.Errorf("listed %+v, want the one row with its new verifier", got)
			}
		}
	}},
	{"end ends a row, whatever its verifier is by then", func(s *suite) {
		old := s.createAs("alice", life)
		r := s.renew(old, saving)
		s.is(s.tryEndOf("bob", old.ID), driver.ErrNotFound)
		s.unchanged(r)
		s.must(s.tryEndOf("alice", old.ID))
		s.gone(old.Ref)
		s.is(s.tryEnd(old.ID), driver.ErrNotFound)
		s.out(r, s.next(r.Ref))
		s.count(0)
	}},
}

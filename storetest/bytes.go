package storetest

import (
	"strings"

	"github.com/sqlsessions/sessions/driver"
)

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

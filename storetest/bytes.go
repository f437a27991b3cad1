package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
)

// documents are JSON texts that databases like to change: key order, number
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

var byteTests = map[string]func(*testing.T, *suite){
	"data comes back byte for byte": func(t *testing.T, s *suite) {
		for _, doc := range documents {
			r := s.Record()
			r.Data = []byte(doc)
			if err := s.store.Create(t.Context(), r, ttl); err != nil {
				t.Errorf("create %.80s: %v", doc, err)
				continue
			}
			if got := s.load(r.Key); string(got.Data) != doc {
				t.Errorf("created %.120s, loaded %.120s", doc, got.Data)
			}
			r.Version = s.load(r.Key).Version
			s.save(r, saving)
			if got := s.load(r.Key); string(got.Data) != doc {
				t.Errorf("saved %.120s, loaded %.120s", doc, got.Data)
			}
		}
	},
	"the caller's slices are its own": func(t *testing.T, s *suite) {
		r := s.Record()
		s.must(s.store.Create(t.Context(), r, ttl))
		copy(r.Data, `{"X":9}`)
		first := s.load(r.Key)
		if text(first) != `{"a":1}` {
			t.Fatalf("loaded %s", first.Data)
		}
		copy(first.Data, `{"Y":8}`)
		if got := s.load(r.Key); text(got) != `{"a":1}` {
			t.Fatalf("loaded %s", got.Data)
		}
	},
	"keys are compared byte by byte": func(t *testing.T, s *suite) {
		base := strings.Repeat("k", 32)
		keys := []sessions.RowKey{}
		for _, tail := range []string{"a", "A", " ", "á", "%", "_"} {
			keys = append(keys, sessions.RowKey(base[:32-len(tail)]+tail))
		}
		for i, key := range keys {
			r := s.Record()
			r.Key, r.Data = key, fmt.Appendf(nil, `{"i":%d}`, i)
			s.must(s.store.Create(t.Context(), r, ttl))
		}
		for i, key := range keys {
			if got := s.load(key); got.Key != key || text(got) != fmt.Sprintf(`{"i":%d}`, i) {
				t.Errorf("key %d loaded %s", i, got.Data)
			}
		}
	},
	"a handle is not taken for another": func(t *testing.T, s *suite) {
		r := s.create()
		for _, other := range []string{strings.ToUpper(r.Handle), strings.ToLower(r.Handle), r.Handle + " ", r.Handle + "=", r.Handle[1:], "", "\x00", "\xff"} {
			if other != r.Handle {
				if err := s.store.DeleteHandle(t.Context(), other); err == nil {
					t.Errorf("deleted %q by the handle %q", r.Handle, other)
				}
			}
		}
		s.load(r.Key)
	},
	"users are compared byte by byte": func(t *testing.T, s *suite) {
		users := []string{"alice", "Alice", "alice ", " ", "álice", "'", `"; --`, "a\tb", "%", strings.Repeat("u", 255)}
		for _, user := range users {
			s.createAs(user, ttl)
		}
		for _, user := range users {
			list, err := s.store.List(t.Context(), user, "", 10)
			s.must(err)
			if len(list) != 1 || list[0].User != user {
				t.Errorf("list of %q has %d rows", user, len(list))
			}
		}
		for i, user := range users {
			n, err := s.store.DeleteUser(t.Context(), user, nil)
			s.must(err)
			if n != 1 {
				t.Errorf("deleted %d rows of %q, want 1", n, user)
			}
			s.count(len(users) - i - 1)
		}
	},
}

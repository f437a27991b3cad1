package express_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A user is a member of the JSON, which Node carries along, and finds its place in.
func TestExpressUsers(t *testing.T) {
	users := []string{"alice", "a\"b\\c\t\x01", "é😀\u2028<", "%_", "$user", "bob"}
	for name, changes := range map[string][]string{"postgres": nil, "postgres jsonb": {" json ", " jsonb "}, "libpq text": {" json ", " text "}, "mysql": nil, "mysql JSON": {"mediumtext COLLATE utf8mb4_bin", "json"}} {
		t.Run(name, func(t *testing.T) {
			kind, _, _ := strings.Cut(name, " ")
			b := testbed.Backends[slices.IndexFunc(testbed.Backends, func(b testbed.Backend) bool { return b.Name == kind })]
			f := foreignTable(t, b.Connect(t), changes...).opened(t)
			if !strings.Contains(strings.ToLower(name), "json") { // rows over which a JSON path would stumble
				f.set(t, "nul", `{"$user":"x\u0000","a":"\u0000alice"}`, time.Hour)
			}
			if len(asText(f.Conns)) == 0 && changes == nil || name == "libpq text" {
				f.set(t, "damaged", `{"$user":"alice","alice`, time.Hour)
			}
			f.set(t, "nested", `{"a":{"$user":"alice"}}`, time.Hour)
			ids := map[string][]driver.ID{}
			for _, user := range users {
				for i := range 3 {
					r := expressRow()
					r.User, r.Data = user, []byte(`{`+expressCookie+`,"a":{"$user":"bob"}}`)
					testbed.Insert(t, f.store, r)
					if i == 1 { // as Node writes a session that something was put into
						rewritten := `{` + expressCookie + `,"$user":` + quoted(user) + `,"b":2}`
						f.set(t, string(r.Verifier), rewritten, time.Hour)
					}
					got, err := f.store.Load(t.Context(), r.Ref)
					if err != nil || got.User != user || strings.Contains(string(got.Data), `"$user":`+quoted(user)) && user != "bob" {
						t.Errorf("loaded %q of %q, %v; want %q", got.Data, got.User, err, user)
					}
					ids[user] = append(ids[user], r.ID)
				}
				slices.Sort(ids[user])
			}
			for _, user := range users {
				var got []driver.ID
				for after := driver.ID(""); ; {
					page, err := f.store.List(t.Context(), driver.ListRequest{User: user, After: after, Limit: 2})
					testbed.Check(t, err)
					for _, r := range page {
						after = r.ID
						got = append(got, after)
					}
					if len(page) < 2 {
						break
					}
				}
				if !slices.Equal(got, ids[user]) {
					t.Errorf("listed %v of %q, want %v", got, user, ids[user])
				}
			}
			rows := f.count(t)
			goes := func(user string, live, all int, except ...driver.ID) {
				t.Helper()
				if n, err := testbed.EndUser(t.Context(), f.store, user, except...); n != live || err != nil {
					t.Errorf("ended %d of %q, %v; want %d", n, user, err, live)
				}
				if rows -= all; f.count(t) != rows {
					t.Errorf("%d rows are left after those of %q, want %d", f.count(t), user, rows)
				}
			}
			for _, user := range users[:2] {
				goes(user, 2, 2, ids[user][1])
			}
			f.age(t, 2*time.Hour) // dead rows go too, because Node would bring them back to life
			for _, user := range users[:2] {
				goes(user, 0, 1)
			}
			for _, user := range users[2:] {
				goes(user, 0, 2, ids[user][1])
				goes(user, 0, 1)
			}
		})
	}
}

// quoted is a string as JSON.stringify writes it.
func quoted(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

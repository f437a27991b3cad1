package integration_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
)

// A user is a member of the JSON, which Node carries along, and finds its place in.
func TestExpressUsers(t *testing.T) {
	users := []string{"alice", "a\"b\\c\t\x01", "é😀\u2028<", "%_", "$user", "bob"}
	for name, changes := range map[string][]string{"postgres": nil, "postgres jsonb": {" json ", " jsonb "}, "libpq text": {" json ", " text "}, "mysql": nil, "mysql JSON": {"mediumtext COLLATE utf8mb4_bin", "json"}} {
		t.Run(name, func(t *testing.T) {
			kind, _, _ := strings.Cut(name, " ")
			b := backends[slices.IndexFunc(backends, func(b backend) bool { return b.name == kind })]
			f := b.connect(t).express(t, changes...).opened(t)
			if !strings.Contains(strings.ToLower(name), "json") { // rows over which a JSON path would stumble
				f.set(t, "nul", `{"$user":"x\u0000","a":"\u0000alice"}`, time.Hour)
			}
			if len(asText(f.conns)) == 0 && changes == nil || name == "libpq text" {
				f.set(t, "damaged", `{"$user":"alice","alice`, time.Hour)
			}
			f.set(t, "nested", `{"a":{"$user":"alice"}}`, time.Hour)
			ttl := sessions.TTL{Idle: time.Hour, Absolute: time.Hour}
			handles := map[string][]string{}
			for _, user := range users {
				for i := range 3 {
					r := expressRecord()
					r.User, r.Data = user, []byte(`{`+expressCookie+`,"a":{"$user":"bob"}}`)
					check(t, f.store.Create(t.Context(), r, ttl))
					if i == 1 { // as Node writes a session that something was put into
						rewritten := `{` + expressCookie + `,"$user":` + quoted(user) + `,"b":2}`
						f.set(t, string(r.Key), rewritten, time.Hour)
					}
					got, err := f.store.Load(t.Context(), r.Key)
					if err != nil || got.User != user || strings.Contains(string(got.Data), `"$user":`+quoted(user)) && user != "bob" {
						t.Errorf("loaded %q of %q, %v; want %q", got.Data, got.User, err, user)
					}
					handles[user] = append(handles[user], r.Handle)
				}
				slices.Sort(handles[user])
			}
			for _, user := range users {
				var got []string
				for after := ""; ; {
					page, err := f.store.List(t.Context(), user, after, 2)
					check(t, err)
					for _, r := range page {
						after = r.Handle
						got = append(got, after)
					}
					if len(page) < 2 {
						break
					}
				}
				if !slices.Equal(got, handles[user]) {
					t.Errorf("listed %v of %q, want %v", got, user, handles[user])
				}
			}
			f.age(t, 2*time.Hour) // dead rows go too
			for _, user := range users {
				if n, err := f.store.DeleteUser(t.Context(), user, handles[user][1:2]); n != 2 || err != nil {
					t.Errorf("deleted %d of %q, %v", n, user, err)
				}
				if n, err := f.store.DeleteUser(t.Context(), user, nil); n != 1 || err != nil {
					t.Errorf("then deleted %d of %q, %v", n, user, err)
				}
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

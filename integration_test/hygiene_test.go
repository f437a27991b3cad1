package integration_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// spellings returns the ways in which a secret could stand in a text.
func spellings(raw []byte) []string {
	text := string(raw)
	return []string{
		text, hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), url.QueryEscape(text),
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		fmt.Sprintf("%d", raw), strings.Trim(strconv.Quote(text), `"`),
	}
}

// The cookie is worth nothing to a reader of the database, and nothing of it is in the log.
func TestNothingLeaks(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		tab := b.newTable(t)
		a := newApp(t, tab)
		var secrets [][]byte
		remember := func(user *browser) {
			value := user.cookie().Value
			token, mac, _ := strings.Cut(value, ".")
			raw, err := base64.RawURLEncoding.DecodeString(token[1:])
			check(t, err)
			// The first 16 bytes are the ID, which is no secret. It ends within the 22nd character.
			secrets = append(secrets, []byte(value), raw, raw[16:], []byte(token), []byte(token[1+22:]), []byte(mac))
		}
		user, kept := a.browser(t), a.browser(t)
		kept.ok("/login?u=bob")
		remember(kept)
		for _, path := range []string{"/set?v=a", "/login?u=alice", "/count", "/regenerate", "/read"} {
			user.ok(path)
			remember(user)
		}
		old := user.clone(a)
		user.ok("/regenerate")
		remember(user)
		old.ok("/read")

		dump := tab.dump(t)
		if !strings.Contains(dump, "alice") {
			t.Fatal("the dump does not even contain the user")
		}
		for _, s := range secrets {
			for _, spelling := range spellings(s) {
				if strings.Contains(dump, spelling) {
					t.Errorf("the database holds a part of a cookie as %.20q", spelling)
				}
			}
		}

		// What a reader finds is no cookie.
		rows, err := tab.db.QueryContext(t.Context(), "SELECT id, verifier FROM "+tab.name)
		check(t, err)
		defer rows.Close()
		var stored [][]byte
		for rows.Next() {
			var id, verifier []byte
			check(t, rows.Scan(&id, &verifier))
			stored = append(stored, verifier)
			name, ok := uuid.Parse(string(readID(id)))
			if !ok || len(verifier) != 32 {
				t.Fatalf("a row with the ID %x and a verifier of %d bytes", id, len(verifier))
			}
			thief := a.browser(t)
			token := "1" + base64.RawURLEncoding.EncodeToString(append(name[:], verifier...))
			for _, value := range []string{token, token + "." + base64.RawURLEncoding.EncodeToString(verifier), string(readID(id))} {
				thief.setCookies(&http.Cookie{Name: "session", Value: value, Path: "/"})
				if got := thief.ok("/user"); got != "" {
					t.Errorf("a stored row logs in as %q", got)
				}
			}
		}
		check(t, rows.Err())

		// Make the log talk: conflicts, a logout under a running request, damage, an outage.
		slow := make(chan response, 1)
		go func() { slow <- user.clone(a).get("/slow?v=b") }()
		resume := <-a.slow
		user.ok("/logout")
		close(resume)
		<-slow
		kept.ok("/read")
		a.damage(t, `[1]`)
		kept.ok("/read")
		tab.close()
		kept.get("/read")
		log := a.log.String()
		if !strings.Contains(log, "damaged") || !strings.Contains(log, "unavailable") {
			t.Fatalf("the log does not say what happened:\n%s", log)
		}
		for _, s := range append(append(secrets, stored...), secret) {
			for _, spelling := range spellings(s) {
				if strings.Contains(log, spelling) {
					t.Errorf("the log holds a secret as %.20q", spelling)
				}
			}
		}
		b.open(t, tab.conns)
	})
}

// damage changes the stored JSON of all rows by hand.
func (tab *table) damage(t *testing.T, data string) {
	t.Helper()
	_, err := tab.db.ExecContext(t.Context(), "UPDATE "+tab.name+" SET data = '"+data+"'")
	check(t, err)
}

// dump returns every column of every row of all tables that belong to the test's.
func (tab *table) dump(t *testing.T) string {
	t.Helper()
	return tab.dumpOf(t, tab.name, tab.name+"_schema_migrations")
}

func (tab *table) dumpOf(t *testing.T, selections ...string) string {
	t.Helper()
	var dump strings.Builder
	for _, from := range selections {
		rows, err := tab.db.QueryContext(t.Context(), "SELECT * FROM "+from) //nolint:unqueryvet,sqlclosecheck // all there is, read to its end
		check(t, err)
		columns, err := rows.Columns()
		check(t, err)
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			check(t, rows.Scan(into...))
			for i, v := range values {
				if raw, ok := v.([]byte); ok {
					fmt.Fprintf(&dump, "%s=%s %x\n", columns[i], raw, raw)
				} else {
					fmt.Fprintf(&dump, "%s=%v\n", columns[i], v)
				}
			}
		}
		check(t, rows.Err()) // and at the end of the rows they are closed
	}
	return dump.String()
}

// A row that somebody damaged by hand is a fresh session and a line in the
// log, not an error for ever, and it is not overwritten.
func TestDamagedRow(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		tab := b.newTable(t)
		a := newApp(t, tab)
		for _, data := range []string{`[1,2]`, `null`, `"text"`, `{"a":1,"a":2}`, `7`} {
			user := a.browser(t)
			user.ok("/login?u=alice")
			before := user.cookie().Value
			tab.damage(t, data)
			if got := user.ok("/user"); got != "" {
				t.Errorf("%s: user is %q", data, got)
			}
			user.ok("/set?v=new")
			if user.cookie().Value == before {
				t.Errorf("%s: the damaged session's id was kept", data)
			}
			if !strings.Contains(tab.dump(t), data) {
				t.Errorf("%s: the damaged row is gone", data)
			}
			_, err := a.manager.RevokeAll(t.Context())
			check(t, err)
		}
		if !strings.Contains(a.log.String(), "damaged") {
			t.Error("the log says nothing of it")
		}
	})
}

// Bad cookies are an anonymous visit, and cost no query.
func TestBadCookiesCostNoQuery(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		tab := b.newTable(t)
		a := newApp(t, tab)
		user := a.browser(t)
		user.ok("/login?u=alice")
		good := user.cookie().Value
		many := strings.Repeat("x=y; ", 3001)
		for name, header := range map[string]string{
			"empty":               "session=",
			"no value":            "session",
			"short":               "session=" + good[:len(good)-1],
			"long":                "session=" + good + "x",
			"forged":              "session=" + good[:66] + strings.Repeat("A", 43),
			"other case":          "session=" + strings.ToUpper(good),
			"quoted":              `session="` + good + `"`,
			"padded":              "session=" + good + "=",
			"percent":             "session=" + strings.Replace(good, ".", "%2E", 1),
			"sql":                 "session=' OR 1=1 --",
			"nul":                 "session=a%00b",
			"a megabyte":          "session=" + strings.Repeat("A", 200_000),
			"other name":          "Session=" + good,
			"five valid and more": strings.Repeat("session=x; ", 2000),
			"cookie bomb":         many + "session=" + good,
		} {
			before, rows := tab.statements.Load(), tab.rows(t)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.server.URL+"/user", nil)
			check(t, err)
			r.Header.Set("Cookie", header)
			answer, err := user.Transport.RoundTrip(r)
			check(t, err)
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK || len(answer.Header["Set-Cookie"]) > 0 || answer.ContentLength > 0 {
				t.Errorf("%s: %d, %d bytes, %s", name, answer.StatusCode, answer.ContentLength, answer.Header["Set-Cookie"])
			}
			if got := tab.statements.Load() - before - 1; got != 0 { // one is the test's own count
				t.Errorf("%s: %d statements", name, got)
			}
			if got := tab.rows(t); got != rows {
				t.Errorf("%s: %d rows, before %d", name, got, rows)
			}
		}
		if got := user.ok("/user"); got != "alice" {
			t.Errorf("the session is %q afterwards", got)
		}
	})
}

// What does not fit is refused with a typed error, and the old row is as it was.
func TestRefusedValues(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		tab := b.newTable(t)
		a := newApp(t, tab, func(o *sessions.Options) { o.MaxBytes = 2000 })
		user := a.browser(t)
		user.ok("/set?v=kept")
		before := tab.dump(t)
		for name, path := range map[string]string{
			"too large": "/set?v=" + strings.Repeat("x", 2001),
			"not UTF-8": "/set?v=%ff%fe",
			"user":      "/login?u=a%00b",
			"long user": "/login?u=" + strings.Repeat("u", 256),
		} {
			if got := user.get(path); got.StatusCode != http.StatusInternalServerError || setsCookie(got) {
				t.Errorf("%s: %d %s", name, got.StatusCode, got.Header["Set-Cookie"])
			}
			if tab.dump(t) != before {
				t.Errorf("%s: the row changed", name)
			}
		}
		user.ok("/set?v=" + url.QueryEscape("NUL \x00 and 😀 are fine"))
		if got := user.ok("/read"); got != "NUL \x00 and 😀 are fine" {
			t.Errorf("read %q", got)
		}
	})
}

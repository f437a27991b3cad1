package requests_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// The cookie is worth nothing to a reader of the database, and nothing of it is in the log.
func TestNothingLeaks(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		a := testbed.NewApp(t, tab)
		var secrets [][]byte
		remember := func(user *testbed.Browser) {
			value := user.Cookie().Value
			token, mac, _ := strings.Cut(value, ".")
			raw, err := base64.RawURLEncoding.DecodeString(token[1:])
			testbed.Check(t, err)
			// The first 16 bytes are the ID, which is no secret. It ends within the 22nd character.
			secrets = append(secrets, []byte(value), raw, raw[16:], []byte(token), []byte(token[1+22:]), []byte(mac))
		}
		user, kept := a.Browser(t), a.Browser(t)
		kept.OK("/login?u=bob")
		remember(kept)
		for _, path := range []string{"/set?v=a", "/login?u=alice", "/count", "/regenerate", "/read"} {
			user.OK(path)
			remember(user)
		}
		old := user.Clone(a)
		user.OK("/regenerate")
		remember(user)
		old.OK("/read")

		dump := dump(t, tab)
		if !strings.Contains(dump, "alice") {
			t.Fatal("the dump does not even contain the user")
		}
		for _, s := range secrets {
			for _, spelling := range testbed.Spellings(s) {
				if strings.Contains(dump, spelling) {
					t.Errorf("the database holds a part of a cookie as %.20q", spelling)
				}
			}
		}

		// What a reader finds is no cookie.
		rows, err := tab.DB.QueryContext(t.Context(), "SELECT id, verifier FROM "+tab.Name)
		testbed.Check(t, err)
		defer rows.Close()
		var stored [][]byte
		for rows.Next() {
			var id, verifier []byte
			testbed.Check(t, rows.Scan(&id, &verifier))
			stored = append(stored, verifier)
			name, ok := uuid.Parse(string(testbed.ReadID(id)))
			if !ok || len(verifier) != 32 {
				t.Fatalf("a row with the ID %x and a verifier of %d bytes", id, len(verifier))
			}
			thief := a.Browser(t)
			token := "1" + base64.RawURLEncoding.EncodeToString(append(name[:], verifier...))
			for _, value := range []string{token, token + "." + base64.RawURLEncoding.EncodeToString(verifier), string(testbed.ReadID(id))} {
				thief.SetCookies(&http.Cookie{Name: "session", Value: value, Path: "/"})
				if got := thief.OK("/user"); got != "" {
					t.Errorf("a stored row logs in as %q", got)
				}
			}
		}
		testbed.Check(t, rows.Err())

		// Make the log talk: conflicts, a logout under a running request, damage, an outage.
		slow := make(chan testbed.Response, 1)
		go func() { slow <- user.Clone(a).Fetch("/slow?v=b") }()
		resume := <-a.Slow
		user.OK("/logout")
		close(resume)
		<-slow
		kept.OK("/read")
		damage(t, a.Table, `[1]`)
		kept.OK("/read")
		tab.Close()
		kept.Fetch("/read")
		log := a.Log.String()
		if !strings.Contains(log, "damaged") || !strings.Contains(log, "unavailable") {
			t.Fatalf("the log does not say what happened:\n%s", log)
		}
		for _, s := range append(append(secrets, stored...), testbed.Secret) {
			for _, spelling := range testbed.Spellings(s) {
				if strings.Contains(log, spelling) {
					t.Errorf("the log holds a secret as %.20q", spelling)
				}
			}
		}
		b.Open(t, tab.Conns)
	})
}

// damage changes the stored JSON of all rows by hand.
func damage(t *testing.T, tab *testbed.Table, data string) {
	t.Helper()
	_, err := tab.DB.ExecContext(t.Context(), "UPDATE "+tab.Name+" SET data = '"+data+"'")
	testbed.Check(t, err)
}

// dump returns every column of every row of all tables that belong to the test's.
func dump(t *testing.T, tab *testbed.Table) string {
	t.Helper()
	return tab.DumpOf(t, tab.Name, tab.Name+"_schema_migrations")
}

// A row that was damaged by hand gives a fresh session and a line in the log, not an error
// with every request, and it is not overwritten.
func TestDamagedRow(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		a := testbed.NewApp(t, tab)
		for _, data := range []string{`[1,2]`, `null`, `"text"`, `{"a":1,"a":2}`, `7`} {
			user := a.Browser(t)
			user.OK("/login?u=alice")
			before := user.Cookie().Value
			damage(t, tab, data)
			if got := user.OK("/user"); got != "" {
				t.Errorf("%s: user is %q", data, got)
			}
			user.OK("/set?v=new")
			if user.Cookie().Value == before {
				t.Errorf("%s: the damaged session's id was kept", data)
			}
			if !strings.Contains(dump(t, tab), data) {
				t.Errorf("%s: the damaged row is gone", data)
			}
			tab.Exec(t, "DELETE FROM $TABLE")
		}
		if !strings.Contains(a.Log.String(), "damaged") {
			t.Error("the log says nothing of it")
		}
	})
}

// Bad cookies are an anonymous visit, and cost no query.
func TestBadCookiesCostNoQuery(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		a := testbed.NewApp(t, tab)
		user := a.Browser(t)
		user.OK("/login?u=alice")
		good := user.Cookie().Value
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
			before, rows := tab.Statements.Load(), tab.Rows(t)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.Server.URL+"/user", nil)
			testbed.Check(t, err)
			r.Header.Set("Cookie", header)
			answer, err := user.Transport.RoundTrip(r)
			testbed.Check(t, err)
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK || len(answer.Header["Set-Cookie"]) > 0 || answer.ContentLength > 0 {
				t.Errorf("%s: %d, %d bytes, %s", name, answer.StatusCode, answer.ContentLength, answer.Header["Set-Cookie"])
			}
			if got := tab.Statements.Load() - before - 1; got != 0 { // one is the test's own count
				t.Errorf("%s: %d statements", name, got)
			}
			if got := tab.Rows(t); got != rows {
				t.Errorf("%s: %d rows, before %d", name, got, rows)
			}
		}
		if got := user.OK("/user"); got != "alice" {
			t.Errorf("the session is %q afterwards", got)
		}
	})
}

// What does not fit is refused with a typed error, and the old row is as it was.
func TestRefusedValues(t *testing.T) {
	testbed.Each(t, func(t *testing.T, b testbed.Backend) {
		tab := b.NewTable(t)
		a := testbed.NewApp(t, tab, func(o *sessions.Options) { o.MaxBytes = 2000 })
		user := a.Browser(t)
		user.OK("/set?v=kept")
		before := dump(t, tab)
		for name, path := range map[string]string{
			"too large": "/set?v=" + strings.Repeat("x", 2001),
			"not UTF-8": "/set?v=%ff%fe",
			"user":      "/login?u=a%00b",
			"long user": "/login?u=" + strings.Repeat("u", 256),
		} {
			if got := user.Fetch(path); got.StatusCode != http.StatusInternalServerError || testbed.SetsCookie(got) {
				t.Errorf("%s: %d %s", name, got.StatusCode, got.Header["Set-Cookie"])
			}
			if dump(t, tab) != before {
				t.Errorf("%s: the row changed", name)
			}
		}
		user.OK("/set?v=" + url.QueryEscape("NUL \x00 and 😀 are fine"))
		if got := user.OK("/read"); got != "NUL \x00 and 😀 are fine" {
			t.Errorf("read %q", got)
		}
	})
}

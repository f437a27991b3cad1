package express_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// asText is a column that keeps whatever text it is given.
func asText(c *testbed.Conns) []string {
	if c.Dialect == migrations.PostgreSQL {
		return []string{" json ", " text "}
	}
	return nil
}

// Rows that no Express application should have are given back as they are, and
// stay as they are, whatever is done to the others.
func TestExpressForeignRows(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		f := foreignTable(t, c, asText(c)...).opened(t)
		rows := map[string]string{
			"no cookie": `{"a":1}`, "null": `null`, "array": `["$user"]`, "damaged": `{"cookie":{`, "empty text": ``,
			"half a pair": `{"a":"\ud800","nul":"\u0000"}`, "user of another kind": `{"$user":7}`, "nested": `{"a":{"$user":"alice"}}`,
			"in a string": `{"a":"\"$user\":\"alice\""}`, "damaged user": `{"$user":"alice",`,
			"5 MB": `{"a":"` + strings.Repeat("$user", 1<<20) + `"}`, strings.Repeat("i", 128): `{"long":"id"}`, "": `{"empty":"id"}`,
		}
		for id, text := range rows {
			f.set(t, id, text, time.Hour)
		}
		f.node(t, "set", `{"far":"away"}`, int64(4294967295), "2106")
		rows["2106"] = `{"far":"away"}`
		if c.Dialect == migrations.PostgreSQL {
			f.node(t, "set", `{"far":"away"}`, int64(1<<40), "36812")
			f.run(t, "INSERT INTO $TABLE VALUES ('never', '{}', 'infinity')")
			rows["36812"], rows["never"] = `{"far":"away"}`, `{}`
		}
		for id, want := range rows {
			r, err := f.store.Load(t.Context(), named(id))
			if err != nil || string(r.Data) != want || r.User != "" || r.ExpiresIn < 59*time.Minute || r.Version <= 0 {
				t.Errorf("%.30q: loaded %.40q of %q for %v, version %d, error %v", id, r.Data, r.User, r.ExpiresIn, r.Version, err)
			}
		}
		list, err := f.store.List(t.Context(), driver.ListRequest{All: true, Limit: 100})
		if err != nil || len(list) != len(rows) {
			t.Errorf("listed %d of %d, %v", len(list), len(rows), err)
		}
		if list, err := f.store.List(t.Context(), driver.ListRequest{User: "alice", Limit: 100}); err != nil || len(list) != 0 {
			t.Errorf("listed %d, %v", len(list), err)
		}
		for _, user := range []string{"alice", "7", "$user"} {
			if n, err := testbed.EndUser(t.Context(), f.store, user); n != 0 || err != nil {
				t.Errorf("ended %d of %s, %v", n, user, err)
			}
		}
		if n, err := testbed.Reap(t.Context(), f.store, 100); n != 0 || err != nil {
			t.Errorf("deleted %d expired, %v", n, err)
		}
		for id, want := range rows {
			if got, ok := f.get(t, id); !ok || got != want {
				t.Errorf("%.30q: upstream reads %.40q, %v", id, got, ok)
			}
		}
	})
}

// Upstream takes a row without data for none.
func TestExpressRowWithoutData(t *testing.T) {
	c := testbed.Backends[testbed.MySQL].Connect(t)
	f := foreignTable(t, c).opened(t)
	r := expressRow()
	f.run(t, "INSERT INTO $TABLE VALUES (?, 4294967295, NULL)", string(r.Verifier))
	_, load := f.store.Load(t.Context(), r.Ref)
	_, saved := testbed.Save(t.Context(), f.store, r, testbed.AnHour)
	for _, err := range []error{load, saved, testbed.Touch(t.Context(), f.store, r.Ref, testbed.AnHour), testbed.End(t.Context(), f.store, r.ID)} {
		if !errors.Is(err, sessions.ErrNotFound) {
			t.Error(err)
		}
	}
	if _, err := testbed.Create(t.Context(), f.store, r, testbed.Day); !errors.Is(err, driver.ErrExists) {
		t.Error(err)
	}
	list, err := f.store.List(t.Context(), driver.ListRequest{All: true, Limit: 10})
	n, _, countErr := testbed.Count(t.Context(), f.store)
	if len(list) != 0 || err != nil || n != 0 || countErr != nil {
		t.Errorf("listed %d, %v, counted %d, %v", len(list), err, n, countErr)
	}
}

func TestExpressKeysThatCantBe(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		changes := []string{"varchar", "varchar(128)"}
		if c.Dialect == migrations.MySQL {
			changes = []string{"varchar(128) COLLATE utf8mb4_bin", "varchar(128) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin"}
		}
		f := foreignTable(t, c, changes...).opened(t, notStrict(t, c))
		keys := []string{"a\x00", "a\xff", strings.Repeat("é", 129)}
		if c.Dialect == migrations.MySQL {
			keys = append(keys, "a😀")
			for _, id := range []string{"a?", "a", strings.Repeat("é", 128)} { // what a server makes of them
				f.set(t, id, `{}`, time.Hour)
			}
		}
		before := f.count(t)
		for _, id := range keys {
			good := testbed.Insert(t, f.store, expressRow())
			bad := good
			bad.Ref = named(id)
			_, created := testbed.Create(t.Context(), f.store, bad, testbed.Day)
			_, renewed := testbed.Renew(t.Context(), f.store, good, bad.Verifier, testbed.Day)
			for _, err := range []error{created, renewed} {
				if !errors.Is(err, sessions.ErrValue) {
					t.Errorf("%.10q: %v", id, err)
				}
			}
			_, load := f.store.Load(t.Context(), bad.Ref)
			_, saved := testbed.Save(t.Context(), f.store, bad, testbed.Day)
			_, from := testbed.Renew(t.Context(), f.store, bad, named(sid()).Verifier, testbed.Day)
			for _, err := range []error{
				load, from, testbed.Touch(t.Context(), f.store, bad.Ref, testbed.Day), testbed.End(t.Context(), f.store, bad.ID),
				f.store.End(t.Context(), driver.EndRequest{ID: bad.ID, Verifier: bad.Verifier}),
			} {
				if !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("%.10q: %v", id, err)
				}
			}
			if !errors.Is(saved, sessions.ErrNotFound) && !errors.Is(saved, sessions.ErrValue) {
				t.Errorf("%.10q: saved %v", id, saved)
			}
			testbed.Check(t, testbed.End(t.Context(), f.store, good.ID))
		}
		if after := f.count(t); after != before {
			t.Errorf("%d rows, were %d", after, before)
		}
	})
}

// To the collation utf8mb4_bin a space more at the end is no difference.
func TestExpressKeysWithSpaces(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		f := foreignTable(t, c).opened(t)
		r := testbed.Insert(t, f.store, expressRow())
		id := string(r.Verifier)
		before := f.expiry(t, id)
		for _, like := range []string{id + " ", " " + id, strings.ToLower(id)} {
			other := r
			// As a client would name it, and with the ID of the row that is there.
			for _, other.Ref = range []driver.Ref{named(like), {ID: r.ID, Verifier: driver.Verifier(like)}} {
				_, load := f.store.Load(t.Context(), other.Ref)
				_, saved := testbed.Save(t.Context(), f.store, other, testbed.Day)
				_, renewed := testbed.Renew(t.Context(), f.store, other, named(sid()).Verifier, testbed.Day)
				touched := testbed.Touch(t.Context(), f.store, other.Ref, driver.Life{Idle: 5 * time.Hour})
				ended := testbed.End(t.Context(), f.store, named(like).ID)
				for _, err := range []error{load, saved, renewed, touched, ended} {
					if !errors.Is(err, sessions.ErrNotFound) {
						t.Errorf("%q found %q: %v", like, id, err)
					}
				}
			}
		}
		if after := f.expiry(t, id); after != before {
			t.Error("the expiry has moved")
		}
	})
}

func (f *foreign) count(t *testing.T) (n int) {
	t.Helper()
	testbed.Check(t, f.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM "+f.name).Scan(&n))
	return n
}

// notStrict is a connection through which MySQL cuts texts off and puts question
// marks into them, instead of an error.
func notStrict(t *testing.T, c *testbed.Conns) *testbed.Conns {
	t.Helper()
	if c.Dialect == migrations.MySQL {
		return c.ConnectTo(t, testbed.WithParameters(testbed.MySQLURL, "sql_mode=%27%27"))
	}
	return c
}

// What a column can't hold as it is, is an error.
func TestExpressValuesThatDoNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		backend int
		data    string
		want    error
		changes []string
	}{
		"pgsimple jsonb nul":       {testbed.Postgres, `{"a":"\u0000"}`, sessions.ErrValue, []string{" json ", " jsonb "}},
		"pgsimple libpq jsonb nul": {testbed.LibPQ, `{"a":"\u0000"}`, sessions.ErrValue, []string{" json ", " jsonb "}},
		"pgsimple not JSON":        {testbed.Postgres, `{"a":`, sessions.ErrValue, nil},
		"mysqlsession text":        {testbed.MySQL, `{"a":"` + strings.Repeat("é", 40_000) + `"}`, sessions.ErrTooLarge, []string{"mediumtext", "text"}},
		"mysqlsession utf8mb3":     {testbed.MySQL, `{"a":"😀"}`, sessions.ErrValue, []string{"mediumtext COLLATE utf8mb4_bin", "mediumtext CHARACTER SET utf8mb3"}},
		"mysqlsession not UTF-8":   {testbed.MySQL, `{"a":"` + "\xff" + `"}`, sessions.ErrValue, []string{"mediumtext COLLATE utf8mb4_bin", "json"}},
		"mysqlsession not JSON":    {testbed.MySQL, `{"a":`, sessions.ErrValue, []string{"mediumtext COLLATE utf8mb4_bin", "json"}},
	} {
		t.Run(name, func(t *testing.T) {
			admin := testbed.Backends[c.backend].Connect(t)
			f := foreignTable(t, admin, c.changes...).opened(t, notStrict(t, admin))
			was := testbed.Insert(t, f.store, expressRow())
			bad, from := was, string(was.Verifier)
			bad.Data = []byte(c.data)
			_, saved := testbed.Save(t.Context(), f.store, bad, testbed.Day)
			to := named(sid())
			_, renewed := testbed.Renew(t.Context(), f.store, bad, to.Verifier, testbed.Day)
			bad.Ref = to
			_, created := testbed.Create(t.Context(), f.store, bad, testbed.Day)
			for _, err := range []error{saved, renewed, created} {
				if !errors.Is(err, c.want) || strings.Contains(err.Error(), from) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			}
			if now, err := f.store.Load(t.Context(), was.Ref); err != nil || now.Version != was.Version {
				t.Errorf("the row changed, or %v", err)
			}
		})
	}
}

// The column ends in 2106, or in 2038, and the session lives till then.
func TestExpressLongLife(t *testing.T) {
	for name, want := range map[string]float64{"int(11) unsigned": 4294967295, "int": 2147483647} {
		f := foreignTable(t, testbed.Backends[testbed.MySQL].Connect(t), "int(11) unsigned", name).opened(t)
		r := expressRow()
		_, err := testbed.Create(t.Context(), f.store, r, driver.Life{Idle: 200 * 365 * 24 * time.Hour, Absolute: 1<<63 - 1})
		testbed.Check(t, err)
		if got := f.expiry(t, string(r.Verifier)); got != want {
			t.Errorf("%s: expires at %f, want %f", name, got, want)
		}
		testbed.Check(t, testbed.Touch(t.Context(), f.store, r.Ref, driver.Life{Idle: -100 * 365 * 24 * time.Hour}))
	}
}

// MySQL counts the rows that an UPDATE changed, and a session may be saved as it is.
func TestExpressSaveOfTheSame(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *testbed.Conns) {
		f := foreignTable(t, c).opened(t)
		r := testbed.Insert(t, f.store, expressRow())
		for range 20 {
			v, err := testbed.Save(t.Context(), f.store, r, testbed.Day)
			if err != nil || v != r.Version {
				t.Fatalf("version %d, was %d; %v", v, r.Version, err)
			}
		}
		f.set(t, string(r.Verifier), `{"b":2}`, time.Hour)
		if _, err := testbed.Save(t.Context(), f.store, r, testbed.Day); !errors.Is(err, sessions.ErrConflict) {
			t.Errorf("over another's text: %v", err)
		}
		f.node(t, "destroy", string(r.Verifier))
		if _, err := testbed.Save(t.Context(), f.store, r, testbed.Day); !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("over nothing: %v", err)
		}
	})
}

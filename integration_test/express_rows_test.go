package integration_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/migrations"
)

// asText is a column that keeps whatever text it is given.
func asText(c *conns) []string {
	if c.dialect == migrations.PostgreSQL {
		return []string{" json ", " text "}
	}
	return nil
}

// Rows that no Express application should have are given back as they are, and
// stay as they are, whatever is done to the others.
func TestExpressForeignRows(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *conns) {
		f := c.express(t, asText(c)...).opened(t)
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
		if c.dialect == migrations.PostgreSQL {
			f.node(t, "set", `{"far":"away"}`, int64(1<<40), "36812")
			f.run(t, "INSERT INTO $TABLE VALUES ('never', '{}', 'infinity')")
			rows["36812"], rows["never"] = `{"far":"away"}`, `{}`
		}
		for id, want := range rows {
			r, err := f.store.Load(t.Context(), sessions.RowKey(id))
			if err != nil || string(r.Data) != want || r.User != "" || r.ExpiresIn < 59*time.Minute || r.Version <= 0 {
				t.Errorf("%.30q: loaded %.40q of %q for %v, version %d, error %v", id, r.Data, r.User, r.ExpiresIn, r.Version, err)
			}
		}
		list, err := f.store.List(t.Context(), "", "", 100)
		if err != nil || len(list) != len(rows) {
			t.Errorf("listed %d of %d, %v", len(list), len(rows), err)
		}
		if list, err := f.store.List(t.Context(), "alice", "", 100); err != nil || len(list) != 0 {
			t.Errorf("listed %d, %v", len(list), err)
		}
		for _, user := range []string{"alice", "7", "$user"} {
			if n, err := f.store.DeleteUser(t.Context(), user, nil); n != 0 || err != nil {
				t.Errorf("deleted %d of %s, %v", n, user, err)
			}
		}
		if n, _, err := f.store.DeleteExpired(t.Context(), 100); n != 0 || err != nil {
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
	c := backends[mysqlBackend].connect(t)
	f := c.express(t).opened(t)
	r := expressRecord()
	f.run(t, "INSERT INTO $TABLE VALUES (?, 4294967295, NULL)", string(r.Key))
	_, load := f.store.Load(t.Context(), r.Key)
	_, save := f.store.Save(t.Context(), r, sessions.TTL{Idle: time.Hour})
	for _, err := range []error{load, save, f.store.DeleteHandle(t.Context(), r.Handle)} {
		if !errors.Is(err, sessions.ErrNotFound) {
			t.Error(err)
		}
	}
	if err := f.store.Create(t.Context(), r, sessions.TTL{Idle: time.Hour, Absolute: time.Hour}); !errors.Is(err, sessions.ErrExists) {
		t.Error(err)
	}
	list, err := f.store.List(t.Context(), "", "", 10)
	n, countErr := f.store.Count(t.Context())
	if len(list) != 0 || err != nil || n != 0 || countErr != nil {
		t.Errorf("listed %d, %v, counted %d, %v", len(list), err, n, countErr)
	}
}

func TestExpressKeysThatCantBe(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *conns) {
		changes := []string{"varchar", "varchar(128)"}
		if c.dialect == migrations.MySQL {
			changes = []string{"varchar(128) COLLATE utf8mb4_bin", "varchar(128) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin"}
		}
		f := c.express(t, changes...).opened(t, c.notStrict(t))
		ttl := sessions.TTL{Idle: time.Hour, Absolute: time.Hour}
		keys := []string{"a\x00", "a\xff", strings.Repeat("é", 129)}
		if c.dialect == migrations.MySQL {
			keys = append(keys, "a😀")
			for _, id := range []string{"a?", "a", strings.Repeat("é", 128)} { // what a server makes of them
				f.set(t, id, `{}`, time.Hour)
			}
		}
		before := f.count(t)
		for _, id := range keys {
			r := expressRecord()
			good := r
			check(t, f.store.Create(t.Context(), good, ttl))
			r, err := f.store.Load(t.Context(), good.Key)
			check(t, err)
			r.Key = sessions.RowKey(id)
			_, rekey := f.store.Rekey(t.Context(), good.Key, r, ttl)
			for _, err := range []error{f.store.Create(t.Context(), r, ttl), rekey} {
				if !errors.Is(err, sessions.ErrValue) {
					t.Errorf("%.10q: %v", id, err)
				}
			}
			_, load := f.store.Load(t.Context(), r.Key)
			fresh := expressRecord()
			fresh.Version = r.Version
			_, from := f.store.Rekey(t.Context(), r.Key, fresh, ttl)
			for _, err := range []error{load, from} {
				if !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("%.10q: %v", id, err)
				}
			}
			check(t, f.store.Touch(t.Context(), r.Key, ttl))
			check(t, f.store.Delete(t.Context(), r.Key))
			check(t, f.store.Delete(t.Context(), good.Key))
		}
		if after := f.count(t); after != before {
			t.Errorf("%d rows, were %d", after, before)
		}
	})
}

// To the collation utf8mb4_bin a space more at the end is no difference.
func TestExpressKeysWithSpaces(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *conns) {
		f := c.express(t).opened(t)
		ttl := sessions.TTL{Idle: time.Hour, Absolute: time.Hour}
		r := expressRecord()
		check(t, f.store.Create(t.Context(), r, ttl))
		r, err := f.store.Load(t.Context(), r.Key)
		check(t, err)
		for _, other := range []sessions.Record{{Key: r.Key + " "}, {Key: " " + r.Key}, {Key: sessions.RowKey(strings.ToLower(string(r.Key)))}} {
			other.Data, other.Version = r.Data, r.Version
			_, load := f.store.Load(t.Context(), other.Key)
			_, save := f.store.Save(t.Context(), other, ttl)
			_, rekey := f.store.Rekey(t.Context(), other.Key, expressRecord(), ttl)
			for _, err := range []error{load, save, rekey, f.store.DeleteHandle(t.Context(), handleOf(string(other.Key)))} {
				if !errors.Is(err, sessions.ErrNotFound) {
					t.Errorf("%q found %q: %v", string(other.Key), string(r.Key), err)
				}
			}
			before := f.expiry(t, string(r.Key))
			check(t, f.store.Touch(t.Context(), other.Key, sessions.TTL{Idle: 5 * time.Hour}))
			check(t, f.store.Delete(t.Context(), other.Key))
			if after := f.expiry(t, string(r.Key)); after != before {
				t.Errorf("%q touched %q", string(other.Key), string(r.Key))
			}
		}
	})
}

func (f *foreign) count(t *testing.T) (n int) {
	t.Helper()
	check(t, f.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+f.name).Scan(&n))
	return n
}

// notStrict is a connection through which MySQL cuts texts off and puts question
// marks into them, instead of an error.
func (c *conns) notStrict(t *testing.T) *conns {
	t.Helper()
	if c.dialect == migrations.MySQL {
		return c.connectTo(t, withParameters(mysqlURL, "sql_mode=%27%27"))
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
		"pgsimple jsonb nul":       {1, `{"a":"\u0000"}`, sessions.ErrValue, []string{" json ", " jsonb "}},
		"pgsimple libpq jsonb nul": {4, `{"a":"\u0000"}`, sessions.ErrValue, []string{" json ", " jsonb "}},
		"pgsimple not JSON":        {1, `{"a":`, sessions.ErrValue, nil},
		"mysqlsession text":        {mysqlBackend, `{"a":"` + strings.Repeat("é", 40_000) + `"}`, sessions.ErrTooLarge, []string{"mediumtext", "text"}},
		"mysqlsession utf8mb3":     {mysqlBackend, `{"a":"😀"}`, sessions.ErrValue, []string{"mediumtext COLLATE utf8mb4_bin", "mediumtext CHARACTER SET utf8mb3"}},
		"mysqlsession not UTF-8":   {mysqlBackend, `{"a":"` + "\xff" + `"}`, sessions.ErrValue, []string{"mediumtext COLLATE utf8mb4_bin", "json"}},
		"mysqlsession not JSON":    {mysqlBackend, `{"a":`, sessions.ErrValue, []string{"mediumtext COLLATE utf8mb4_bin", "json"}},
	} {
		t.Run(name, func(t *testing.T) {
			admin := backends[c.backend].connect(t)
			f := admin.express(t, c.changes...).opened(t, admin.notStrict(t))
			r := expressRecord()
			ttl := sessions.TTL{Idle: time.Hour, Absolute: time.Hour}
			check(t, f.store.Create(t.Context(), r, ttl))
			was, err := f.store.Load(t.Context(), r.Key)
			check(t, err)
			bad := was
			bad.Data = []byte(c.data)
			_, save := f.store.Save(t.Context(), bad, ttl)
			from := bad.Key
			bad.Key = sessions.RowKey(sid())
			_, rekey := f.store.Rekey(t.Context(), from, bad, ttl)
			for _, err := range []error{save, rekey, f.store.Create(t.Context(), bad, ttl)} {
				if !errors.Is(err, c.want) || strings.Contains(err.Error(), string(from)) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			}
			if now, err := f.store.Load(t.Context(), r.Key); err != nil || now.Version != was.Version {
				t.Errorf("the row changed, or %v", err)
			}
		})
	}
}

// The column ends in 2106, or in 2038, and the session lives till then.
func TestExpressLongLife(t *testing.T) {
	for name, want := range map[string]float64{"int(11) unsigned": 4294967295, "int": 2147483647} {
		f := backends[mysqlBackend].connect(t).express(t, "int(11) unsigned", name).opened(t)
		r := expressRecord()
		check(t, f.store.Create(t.Context(), r, sessions.TTL{Idle: 200 * 365 * 24 * time.Hour, Absolute: 1<<63 - 1}))
		if got := f.expiry(t, string(r.Key)); got != want {
			t.Errorf("%s: expires at %f, want %f", name, got, want)
		}
		check(t, f.store.Touch(t.Context(), r.Key, sessions.TTL{Idle: -100 * 365 * 24 * time.Hour}))
	}
}

// MySQL counts the rows that an UPDATE changed, and a session may be saved as it is.
func TestExpressSaveOfTheSame(t *testing.T) {
	eachExpress(t, func(t *testing.T, c *conns) {
		f := c.express(t).opened(t)
		r := expressRecord()
		ttl := sessions.TTL{Idle: time.Hour, Absolute: time.Hour}
		check(t, f.store.Create(t.Context(), r, ttl))
		r, err := f.store.Load(t.Context(), r.Key)
		check(t, err)
		for range 20 {
			v, err := f.store.Save(t.Context(), r, ttl)
			if err != nil || v != r.Version {
				t.Fatalf("version %d, was %d; %v", v, r.Version, err)
			}
		}
		v, err := f.store.Rekey(t.Context(), r.Key, r, ttl) // to its own key
		if err != nil || v != r.Version {
			t.Errorf("version %d, was %d; %v", v, r.Version, err)
		}
		f.set(t, string(r.Key), `{"b":2}`, time.Hour)
		if _, err := f.store.Save(t.Context(), r, ttl); !errors.Is(err, sessions.ErrConflict) {
			t.Errorf("over another's text: %v", err)
		}
		f.node(t, "destroy", string(r.Key))
		if _, err := f.store.Save(t.Context(), r, ttl); !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("over nothing: %v", err)
		}
	})
}

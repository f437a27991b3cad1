package stores_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// asText are times and bytes in other forms than drivers expect where they get them as text.
const asText = "DateStyle=German&bytea_output=escape"

const unreadable = "add datestyle=ISO and bytea_output=hex to the DSN"

// postgresSettings are those that matter and can have any value, or values that their list in the
// server does not show.
var postgresSettings = []setting{
	{"", ""},
	{asText, ""},
	{"DateStyle=SQL, DMY", ""},
	{"DateStyle=Postgres, MDY", ""},
	{"TimeZone=America/St_Johns&timezone_abbreviations=India", ""},
	{"array_nulls=off", ""},
	{"standard_conforming_strings=off", ""},
	{"statement_timeout=60000&lock_timeout=60000", ""},
	{"search_path=pg_catalog", "does not exist"},
	{"default_transaction_read_only=on", "read-only"},
	{"client_encoding=SQL_ASCII", ""},
	{"client_encoding=LATIN1", "client_encoding is LATIN1"},
	{"client_encoding=EUC_JP", "client_encoding is EUC_JP"},
	{"client_encoding=SJIS", "client_encoding is SJIS"},
	{"client_encoding=WIN1252", "client_encoding is WIN1252"},
}

// The drivers and modes differ in what they send and get as text.
func TestPostgresSettings(t *testing.T) {
	if testbed.PostgresPooler.LeavesOut(t, "all") {
		return
	}
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		for _, b := range testbed.Backends[:2] {
			t.Run(b.Name+" "+mode, func(t *testing.T) {
				tab := b.NewTable(t)
				for _, s := range postgresSettings {
					if strings.Contains(s.parameters, "DateStyle") && (mode == "exec" || mode == "simple_protocol") {
						s.refused = unreadable
					}
					if strings.Contains(s.parameters, "conforming_strings") && mode == "simple_protocol" {
						s.refused = "standard_conforming_strings=on" // by the driver
					}
					if strings.Contains(s.parameters, "client_encoding") && mode == "simple_protocol" {
						s.refused = "client_encoding=UTF8" // by the driver
					}
					s.parameters = strings.TrimPrefix(s.parameters+"&default_query_exec_mode="+mode, "&")
					s.test(t, tab, b)
				}
			})
		}
	}
	t.Run("libpq", func(t *testing.T) {
		b := testbed.Backends[testbed.LibPQ]
		tab := b.NewTable(t)
		for _, s := range postgresSettings {
			if name := strings.ToLower(s.parameters); strings.Contains(name, "datestyle") || strings.Contains(name, "client_encoding") {
				continue // the driver has its own, and refuses others
			}
			s.test(t, tab, b)
			s.parameters = strings.TrimPrefix(s.parameters+"&binary_parameters=yes", "&")
			s.test(t, tab, b)
		}
	})
}

// refusedByPostgres are values from the server's list that are refused, with what the error says.
var refusedByPostgres = map[string]string{
	"default_transaction_read_only=on": "read-only",
}

// Each value that a connection can be given is tried: both of a switch, all of an enumeration,
// and the smallest number. Once with results in binary form, and once as text.
func TestEachPostgresSetting(t *testing.T) {
	if testbed.PostgresPooler.LeavesOut(t, "all") {
		return
	}
	for _, i := range []int{testbed.PGXPool, testbed.LibPQ} {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			tab := b.NewTable(t)
			testAll(t, tab, b, postgresValues(t, tab.Conns), refusedByPostgres)
		})
	}
}

func postgresValues(t *testing.T, c *testbed.Conns) (values []string) {
	t.Helper()
	rows, err := c.DB.QueryContext(t.Context(), `
		SELECT name || '=' || value
		FROM pg_settings, unnest(CASE vartype WHEN 'bool' THEN '{on,off}' WHEN 'enum' THEN enumvals ELSE ARRAY[min_val] END) AS value
		WHERE context IN ('user', 'superuser', 'backend', 'superuser-backend') AND value <> setting AND vartype <> 'string'
			AND name NOT LIKE 'transaction%' -- of one that has begun
			AND name <> 'log_statement_stats' -- not beside the others of its kind
		ORDER BY name, value`)
	testbed.Check(t, err)
	defer rows.Close()
	for rows.Next() {
		var value string
		testbed.Check(t, rows.Scan(&value))
		values = append(values, value)
	}
	testbed.Check(t, rows.Err())
	slices.Sort(values)
	return values
}

// A database of another encoding takes what it has characters for, and refuses the rest. Before,
// pgx asked for no encoding, and a user's name was another through another driver.
func TestPostgresEncodings(t *testing.T) {
	if testbed.PostgresPooler.LeavesOut(t, "all") {
		return
	}
	admin := testbed.Backends[testbed.Postgres].Connect(t)
	for encoding, holds := range map[string]string{"LATIN1": "Jürgen", "EUC_JP": "太郎", "SQL_ASCII": "Jürgen 太郎 😀"} {
		name := "encoding_" + strings.ToLower(encoding)
		_, err := admin.DB.ExecContext(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 LOCALE 'C' ENCODING '"+encoding+"'")
		testbed.Check(t, err)
		t.Cleanup(func() {
			_, err := admin.DB.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
			testbed.Check(t, err)
		})
		u, err := url.Parse(admin.URL)
		testbed.Check(t, err)
		u.Path = "/" + name
		plain, utf8 := u.String(), testbed.WithParameters(u.String(), "client_encoding=UTF8")
		tab := testbed.Backends[testbed.Postgres].ConnectTo(t, utf8).NewTable(t)
		for _, b := range postgresBackends() {
			t.Run(encoding+" "+b.Name, func(t *testing.T) {
				own, other := b.ConnectTo(t, utf8).OpenStore(t, tab.Name), b.ConnectTo(t, plain).OpenStore(t, tab.Name)
				r := testbed.NewRow(`{"name":"` + holds + `"}`)
				r.User = holds
				r = testbed.Insert(t, own, r)
				got, err := tab.Store.Load(t.Context(), r.Ref)
				if err != nil || got.User != holds || string(got.Data) != string(r.Data) {
					t.Errorf("loaded %q of %q, %v", got.Data, got.User, err)
				}
				// Without being asked for UTF8, the server takes text for the database's.
				n, err := testbed.EndUser(t.Context(), other, holds)
				if refused := err != nil && strings.Contains(err.Error(), "client_encoding is "+encoding); !refused && (n != 1 || err != nil) {
					t.Errorf("ended %d, %v", n, err)
				} else if refused {
					n, err = testbed.EndUser(t.Context(), own, holds)
				}
				if n != 1 || err != nil {
					t.Errorf("ended %d, %v", n, err)
				}
				if r = testbed.NewRow(`{"face":"😀"}`); encoding != "SQL_ASCII" {
					if _, err := testbed.Create(t.Context(), own, r, testbed.Day); !errors.Is(err, sessions.ErrValue) {
						t.Errorf("a character that the database does not have: %v", err)
					}
				}
			})
		}
	}
}

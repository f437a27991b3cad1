package structure

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/express/mysqlsession"
	"github.com/sqlsessions/sessions/express/pgsimple"
	"github.com/sqlsessions/sessions/express/takeover"
	"github.com/sqlsessions/sessions/memstore"
	"github.com/sqlsessions/sessions/migrations"
	"github.com/sqlsessions/sessions/migrations/migrator"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/observe"
	"github.com/sqlsessions/sessions/pgstore"
	"github.com/sqlsessions/sessions/sqlitestore"
)

// The secrets that the values below hold.
const (
	secret   = "hunter2-hunter2-hunter2-hunter2!"
	password = "Tr0ub4dor"
	value    = "the-pin-is-4711"
)

// printed is v as programs print it, by itself and in other values.
func printed(v any) map[string]string {
	all := map[string]string{}
	in := map[string]any{
		"alone": v, "in a struct": struct{ V any }{v}, "in a slice": []any{v}, "in a map": map[string]any{"k": v}, "behind a pointer": &v,
		"in an error": fmt.Errorf("wrapped: %w: %v", errors.ErrUnsupported, v),
	}
	for where, v := range in {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
			all[where+", "+verb] = fmt.Sprintf(verb, v)
		}
		raw, err := json.Marshal(v)
		all[where+", JSON"] = fmt.Sprint(string(raw), err)
		var text, lines bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v, slog.Group("g", "v", v))
		slog.New(slog.NewJSONHandler(&lines, nil)).Info("m", "v", v, slog.Group("g", "v", v))
		all[where+", slog's text"], all[where+", slog's JSON"] = text.String(), lines.String()
	}
	return all
}

// spellings of a secret in what fmt, slog and encoding/json write.
func spellings(s string) []string {
	raw := []byte(s)
	return []string{
		s, hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), base64.RawStdEncoding.EncodeToString(raw)[:len(s)],
		strings.Trim(fmt.Sprintf("%d", raw), "[]"), strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", raw), "[]byte{"), "}"),
	}
}

// A program may print the value of an exported type, as in a log of how a program was set up,
// shows no secret.
func TestPrintingShowsNoSecret(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig("postgres://app:" + password + "@db.example.com/app")
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	pool, err := pgxpool.New(t.Context(), config.ConnString())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	for name, v := range secretive(t, db, pool) {
		for how, text := range printed(v) {
			for _, secret := range []string{secret, password, value} {
				for _, spelling := range spellings(secret) {
					if strings.Contains(text, spelling) {
						t.Errorf("%s, %s: shows %q: %.300s", name, how, secret, text)
					}
				}
			}
		}
	}
}

// must is for what can't fail here.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// secretive are values of the types that hold a secret, or something that holds one.
func secretive(t *testing.T, db *sql.DB, pool *pgxpool.Pool) map[string]any {
	t.Helper()
	options := sessions.Options{Secrets: [][]byte{[]byte(secret)}}
	old := express.Options{Secrets: []string{secret}, Sessions: sessions.Options{Secrets: [][]byte{[]byte(secret)}}}
	memory := memstore.New()
	manager := must[*sessions.Manager](t)(sessions.New(memory, options))
	node := must[*sessions.Manager](t)(express.New(memstore.New(), express.Options{Secrets: []string{secret}}))
	from := takeover.From{Manager: node, Until: time.Now().Add(time.Hour)}
	over := must[*sessions.Manager](t)(takeover.New(memstore.New(), options, from))
	session := sessionWith(t, manager)
	ref := driver.Ref{ID: "0123abcd-4567-7890-89ef-0123456789ab", Verifier: driver.Verifier(secret)}
	return map[string]any{
		"sessions.Options": options, "*sessions.Options": &options,
		"sessions.Manager": manager, "sessions.Session": session, "sessions.Key": sessions.NewKey[string]("pin"),
		"sessions.Reaper": &sessions.Reaper{Store: pgstore.New(db)},
		"express.Options": old, "*express.Options": &old, "express's manager": node,
		"takeover.From": from, "takeover's manager": over,
		"driver.Verifier": driver.Verifier(secret), "driver.Ref": ref,
		"driver.Row": driver.Row{Ref: ref}, "driver.CreateRequest": driver.CreateRequest{Ref: ref},
		"driver.SaveRequest":  driver.SaveRequest{From: ref, Verifier: ref.Verifier},
		"driver.TouchRequest": driver.TouchRequest{Ref: ref}, "driver.EndRequest": driver.EndRequest{Verifier: ref.Verifier},
		"driver.ReplacedError": &driver.ReplacedError{Ago: time.Hour},
		"memstore.Store":       memory, "memstore.Store by value": *memory, "pgstore.Store": pgstore.New(db), "pgstore.Store by value": *pgstore.New(db),
		"pgstore.Store of a pool": pgstore.NewPool(pool), "mysqlstore.Store": mysqlstore.New(db), "mysqlstore.Store by value": *mysqlstore.New(db),
		"sqlitestore.Store": sqlitestore.New(db), "sqlitestore.Store by value": *sqlitestore.New(db),
		"pgsimple.Store": &pgsimple.Store{Store: pgstore.New(db)}, "mysqlsession.Store": &mysqlsession.Store{Store: mysqlstore.New(db)},
		"migrator.Migrator": must[*migrator.Migrator](t)(migrator.New(db, migrations.PostgreSQL, migrator.Options{})),
		"observe.Observer":  &observe.Observer{}, "observe.Refuse": observe.Refuse{ID: ref.ID}, "observe.Sweep": observe.Sweep{},
	}
}

// sessionWith returns a stored session that holds the value.
func sessionWith(t *testing.T, m *sessions.Manager) (s *sessions.Session) {
	t.Helper()
	handler := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s = sessions.FromContext(r.Context())
		sessions.NewKey[string]("pin").Set(s, value)
		if err := s.Save(r.Context()); err != nil {
			t.Error(err)
		}
	}))
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/", http.NoBody))
	handler.ServeHTTP(nowhere{}, r)
	return s
}

type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}

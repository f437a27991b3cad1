package main

import (
	"context"
	"net/http"
	"time"

	"github.com/alexedwards/scs/mysqlstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/v2"
	"github.com/go-sql-driver/mysql"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
)

const idle = 24 * time.Hour

// The tables are those of its documentation.
const (
	scsPostgres = "CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)"
	scsMySQL    = "CREATE TABLE sessions (token CHAR(43) PRIMARY KEY, data BLOB NOT NULL, expiry TIMESTAMP(6) NOT NULL)"
	scsIndex    = "CREATE INDEX sessions_expiry_idx ON sessions (expiry)"
)

func openSCS(idle time.Duration) opener {
	return func(ctx context.Context, d *bench.Database) (http.Handler, error) {
		for _, statement := range []string{d.Pick(scsPostgres, scsMySQL), scsIndex} {
			if _, err := d.DB.ExecContext(ctx, statement); err != nil {
				return nil, err
			}
		}
		m := scs.New()
		m.Lifetime, m.IdleTimeout = 30*24*time.Hour, idle
		m.Cookie.Secure = true
		if d.Postgres() {
			pool, err := d.Pool(ctx)
			m.Store = pgxstore.NewWithCleanupInterval(pool, 0)
			return newSCS(m), err
		}
		// interpolateParams halves its round trips.
		db, err := d.SQL(func(c *mysql.Config) { c.InterpolateParams = true })
		m.Store = mysqlstore.NewWithCleanupInterval(db, 0)
		return newSCS(m), err
	}
}

func newSCS(m *scs.SessionManager) http.Handler {
	read := func(_ http.ResponseWriter, r *http.Request) (string, int, error) {
		user := m.GetString(r.Context(), "user_name")
		if user == "" {
			return "", 0, errNoSession
		}
		return user, m.GetInt(r.Context(), "count"), nil
	}
	return m.LoadAndSave(pages{
		"/read":    read,
		"/rolling": read, // each read is
		"/counter": func(w http.ResponseWriter, r *http.Request) (string, int, error) {
			m.Put(r.Context(), "count", m.GetInt(r.Context(), "count")+1)
			return read(w, r)
		},
		"/login": func(w http.ResponseWriter, r *http.Request) (string, int, error) {
			if err := m.RenewToken(r.Context()); err != nil {
				return "", 0, err
			}
			m.Put(r.Context(), "user_name", newUser())
			return read(w, r)
		},
		"/begin": func(w http.ResponseWriter, r *http.Request) (string, int, error) {
			m.Put(r.Context(), "user_name", newUser())
			m.Put(r.Context(), "count", 0)
			m.Put(r.Context(), "cart", cart)
			m.Put(r.Context(), "theme", theme)
			return read(w, r)
		},
	})
}

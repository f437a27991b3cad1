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
	read := func(w http.ResponseWriter, r *http.Request) {
		user := m.GetString(r.Context(), "user_name")
		if user == "" {
			refuse(w)
			return
		}
		answer(w, user, m.GetInt(r.Context(), "count"))
	}
	return m.LoadAndSave(&pages{
		read:    read,
		rolling: read, // each read is
		counter: func(w http.ResponseWriter, r *http.Request) {
			count := m.GetInt(r.Context(), "count") + 1
			m.Put(r.Context(), "count", count)
			answer(w, m.GetString(r.Context(), "user_name"), count)
		},
		login: func(w http.ResponseWriter, r *http.Request) {
			if failed(w, m.RenewToken(r.Context())) {
				return
			}
			m.Put(r.Context(), "user_name", newUser())
			read(w, r)
		},
		begin: func(w http.ResponseWriter, r *http.Request) {
			ctx, user := r.Context(), newUser()
			m.Put(ctx, "user_name", user)
			m.Put(ctx, "count", 0)
			m.Put(ctx, "cart", cart)
			m.Put(ctx, "theme", theme)
			answer(w, user, 0)
		},
	})
}

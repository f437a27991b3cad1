package main

import (
	"context"
	"net/http"
	"time"

	"github.com/alexedwards/scs/mysqlstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/v2"
	"github.com/go-sql-driver/mysql"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

const scsLess = "the token itself is in the table (its default), a save is an upsert: parallel changes are lost, and a slow request brings a dead session back, and no limit on the time of a statement. "

func scsContenders() []contender {
	return []contender{
		{
			name: "scs", engines: both, hand: "hand", open: openSCS(0), without: []string{"rolling"},
			about: "scs 2.9.0 with pgxstore, or mysqlstore with interpolateParams=true, which halves its round trips",
			less:  scsLess + "No idle timeout, its default",
		},
		{
			name: "scs-idle", engines: both, hand: "hand", open: openSCS(24 * time.Hour),
			about: "the same with an idle timeout",
			less:  scsLess + "It has no throttle: each read writes the whole session",
		},
	}
}

// The tables are those of its documentation.
var scsSchema = map[servers.Engine][]string{
	servers.PostgreSQL: {
		"CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)",
		"CREATE INDEX sessions_expiry_idx ON sessions (expiry)",
	},
	servers.MySQL: {
		"CREATE TABLE sessions (token CHAR(43) PRIMARY KEY, data BLOB NOT NULL, expiry TIMESTAMP(6) NOT NULL)",
		"CREATE INDEX sessions_expiry_idx ON sessions (expiry)",
	},
}

func openSCS(idle time.Duration) func(context.Context, *env) (http.Handler, error) {
	return func(ctx context.Context, e *env) (http.Handler, error) {
		db, err := e.database(func(c *mysql.Config) { c.InterpolateParams = true })
		if err != nil {
			return nil, err
		}
		for _, statement := range scsSchema[e.wire.engine] {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return nil, err
			}
		}
		m := scs.New()
		m.Lifetime, m.IdleTimeout = 30*24*time.Hour, idle
		m.Cookie.Secure = true
		m.Store = mysqlstore.NewWithCleanupInterval(db, 0)
		if e.wire.engine == servers.PostgreSQL {
			pool, err := e.pool(ctx)
			if err != nil {
				return nil, err
			}
			m.Store = pgxstore.NewWithCleanupInterval(pool, 0)
		}
		return newSCS(m), nil
	}
}

func newSCS(m *scs.SessionManager) http.Handler {
	read := func(w http.ResponseWriter, r *http.Request) {
		user := m.GetString(r.Context(), "user_name")
		if user == "" {
			http.Error(w, "no session", http.StatusUnauthorized)
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
		begin: func(w http.ResponseWriter, r *http.Request, cart string) {
			ctx, user := r.Context(), newUser()
			m.Put(ctx, "user_name", user)
			m.Put(ctx, "count", 0)
			m.Put(ctx, "cart", cart)
			m.Put(ctx, "theme", theme)
			answer(w, user, 0)
		},
	})
}

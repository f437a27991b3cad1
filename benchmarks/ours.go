package main

import (
	"context"
	"net/http"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
)

func ourContenders() []contender {
	return []contender{
		{
			name: "sessions", engines: both, hand: "hand", open: openOurs(false),
			about: "this library with its defaults: idle timeout 24 hours, absolute 30 days. pgstore.NewPool on PostgreSQL, mysqlstore.New on MySQL and MariaDB",
		},
		{
			name: "sessions-one-by-one", engines: both, hand: "hand", open: openOurs(true),
			about: "the same with Options.OneByOne: no call goes together with another",
		},
		{
			name: "sessions-sql", engines: postgres, hand: "hand", open: openOursSQL,
			about: "the same as sessions through database/sql: pgstore.New",
		},
	}
}

var (
	userKey  = sessions.NewKey[string]("user_name")
	countKey = sessions.NewKey[int]("count")
	cartKey  = sessions.NewKey[string]("cart")
	themeKey = sessions.NewKey[string]("theme")
)

func openOurs(oneByOne bool) func(context.Context, *env) (http.Handler, error) {
	return func(ctx context.Context, e *env) (http.Handler, error) {
		if err := e.migrate(ctx); err != nil {
			return nil, err
		}
		if e.wire.engine == servers.MySQL {
			db, err := e.database()
			if err != nil {
				return nil, err
			}
			store, err := mysqlstore.New(db).With(mysqlstore.Options{OneByOne: oneByOne})
			if err != nil {
				return nil, err
			}
			return newOurs(store)
		}
		pool, err := e.pool(ctx)
		if err != nil {
			return nil, err
		}
		store, err := pgstore.NewPool(pool).With(pgstore.Options{OneByOne: oneByOne})
		if err != nil {
			return nil, err
		}
		return newOurs(store)
	}
}

func openOursSQL(ctx context.Context, e *env) (http.Handler, error) {
	if err := e.migrate(ctx); err != nil {
		return nil, err
	}
	db, err := e.database()
	if err != nil {
		return nil, err
	}
	return newOurs(pgstore.New(db))
}

func newOurs(store sessions.Store) (http.Handler, error) {
	manager, err := sessions.New(store, sessions.Options{Secrets: [][]byte{newKey()}})
	if err != nil {
		return nil, err
	}
	of := func(r *http.Request) *sessions.Session { return sessions.FromContext(r.Context()) }
	read := func(w http.ResponseWriter, r *http.Request) {
		user, ok := userKey.Get(of(r))
		if !ok {
			http.Error(w, "no session", http.StatusUnauthorized)
			return
		}
		count, _ := countKey.Get(of(r))
		answer(w, user, count)
	}
	return manager.Handler(&pages{
		read: read,
		rolling: func(w http.ResponseWriter, r *http.Request) {
			if err := of(r).Touch(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			read(w, r)
		},
		counter: func(w http.ResponseWriter, r *http.Request) {
			user, _ := userKey.Get(of(r))
			answer(w, user, countKey.Update(of(r), func(n int) int { return n + 1 }))
		},
		login: func(w http.ResponseWriter, r *http.Request) {
			user := newUser()
			of(r).Regenerate()
			of(r).SetUser(user)
			userKey.Set(of(r), user)
			read(w, r)
		},
		begin: func(w http.ResponseWriter, r *http.Request, cart string) {
			user := newUser()
			of(r).SetUser(user)
			userKey.Set(of(r), user)
			countKey.Set(of(r), 0)
			cartKey.Set(of(r), cart)
			themeKey.Set(of(r), theme)
			answer(w, user, 0)
		},
	}), nil
}

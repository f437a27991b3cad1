package main

import (
	"context"
	"net/http"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/pgstore"
)

var (
	userKey  = sessions.NewKey[string]("user_name")
	countKey = sessions.NewKey[int]("count")
	cartKey  = sessions.NewKey[string]("cart")
	themeKey = sessions.NewKey[string]("theme")
)

func openOurs(oneByOne bool) opener {
	return func(ctx context.Context, d *bench.Database) (http.Handler, error) {
		store, err := d.Store(ctx, oneByOne)
		if err != nil {
			return nil, err
		}
		return newOurs(store)
	}
}

func openOursSQL(_ context.Context, d *bench.Database) (http.Handler, error) {
	db, err := d.SQL()
	if err != nil {
		return nil, err
	}
	return newOurs(pgstore.New(db))
}

func newOurs(store sessions.Store) (http.Handler, error) {
	manager, err := sessions.New(store, sessions.Options{Secrets: [][]byte{[]byte(bench.Text(32))}})
	if err != nil {
		return nil, err
	}
	of := func(r *http.Request) *sessions.Session { return sessions.FromContext(r.Context()) }
	read := func(w http.ResponseWriter, r *http.Request) {
		user, ok := userKey.Get(of(r))
		if !ok {
			refuse(w)
			return
		}
		count, _ := countKey.Get(of(r))
		answer(w, user, count)
	}
	return manager.Handler(&pages{
		read: read,
		rolling: func(w http.ResponseWriter, r *http.Request) {
			of(r).Touch()
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
		begin: func(w http.ResponseWriter, r *http.Request) {
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

package main

import (
	"cmp"
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
	read := func(_ http.ResponseWriter, r *http.Request) (string, int, error) {
		user, ok := userKey.Get(of(r))
		if !ok {
			return "", 0, errNoSession
		}
		count, _ := countKey.Get(of(r))
		return user, count, nil
	}
	login := func(w http.ResponseWriter, r *http.Request) (string, int, error) {
		s, user := of(r), newUser()
		s.SetUser(cmp.Or(s.User(), user)) // another user would begin another session
		userKey.Set(s, user)
		return read(w, r)
	}
	return manager.Handler(pages{
		"/read":  read,
		"/login": login,
		"/rolling": func(w http.ResponseWriter, r *http.Request) (string, int, error) {
			if err := of(r).Touch(r.Context()); err != nil {
				return "", 0, err
			}
			return read(w, r)
		},
		"/counter": func(_ http.ResponseWriter, r *http.Request) (string, int, error) {
			user, _ := userKey.Get(of(r))
			return user, countKey.Update(of(r), func(n int) int { return n + 1 }), nil
		},
		"/begin": func(w http.ResponseWriter, r *http.Request) (string, int, error) {
			countKey.Set(of(r), 0)
			cartKey.Set(of(r), cart)
			themeKey.Set(of(r), theme)
			return login(w, r)
		},
	}), nil
}

package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-sql-driver/mysql"
	"github.com/gorilla/sessions"
	"github.com/wader/gormstore/v2"
	gormmysql "gorm.io/driver/mysql"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
)

func openGorilla(_ context.Context, d *bench.Database) (http.Handler, error) {
	db, err := d.SQL(func(c *mysql.Config) { c.ParseTime = true })
	if err != nil {
		return nil, err
	}
	dialector := gormmysql.New(gormmysql.Config{Conn: db})
	if d.Postgres() {
		dialector = gormpostgres.New(gormpostgres.Config{Conn: db})
	}
	g, err := gorm.Open(dialector, &gorm.Config{PrepareStmt: true, SkipDefaultTransaction: true, Logger: logger.Discard})
	if err != nil {
		return nil, err
	}
	store := gormstore.New(g, []byte(bench.Text(32)))
	store.SessionOpts.Secure, store.SessionOpts.HttpOnly = true, true
	store.SessionOpts.MaxAge = 24 * 60 * 60
	store.MaxLength(64 << 10)
	// change saves what do changes.
	change := func(do func(w http.ResponseWriter, r *http.Request, s *sessions.Session) error) func(http.ResponseWriter, *http.Request) (string, int, error) {
		return func(w http.ResponseWriter, r *http.Request) (string, int, error) {
			s, err := store.Get(r, "session")
			if err != nil || s.IsNew && r.URL.Path != "/begin" {
				return "", 0, errNoSession
			}
			if do != nil {
				if err := errors.Join(do(w, r, s), s.Save(r, w)); err != nil {
					return "", 0, err
				}
			}
			user, _ := s.Values["user_name"].(string)
			count, _ := s.Values["count"].(int)
			return user, count, nil
		}
	}
	return pages{
		"/read":    change(nil),
		"/rolling": change(func(http.ResponseWriter, *http.Request, *sessions.Session) error { return nil }),
		"/counter": change(func(_ http.ResponseWriter, _ *http.Request, s *sessions.Session) error {
			count, _ := s.Values["count"].(int)
			s.Values["count"] = count + 1
			return nil
		}),
		"/login": change(func(w http.ResponseWriter, r *http.Request, s *sessions.Session) error {
			// Nothing changes an id, but once the row is deleted, the next save makes another.
			age := s.Options.MaxAge
			s.Options.MaxAge = -1
			err := s.Save(r, w)
			s.Options.MaxAge = age
			s.Values["user_name"] = newUser()
			return err
		}),
		"/begin": change(func(_ http.ResponseWriter, _ *http.Request, s *sessions.Session) error {
			s.Values["user_name"], s.Values["count"] = newUser(), 0
			s.Values["cart"], s.Values["theme"] = cart, theme
			return nil
		}),
	}, nil
}

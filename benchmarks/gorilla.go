package main

import (
	"context"
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
	return (&gorillaApp{store}).pages(), nil
}

type gorillaApp struct{ store *gormstore.Store }

const gorillaCookie = "session"

// get answers the request itself if there is no session.
func (g *gorillaApp) get(w http.ResponseWriter, r *http.Request) *sessions.Session {
	s, err := g.store.Get(r, gorillaCookie)
	if err != nil || s.IsNew {
		refuse(w)
		return nil
	}
	return s
}

func (g *gorillaApp) show(w http.ResponseWriter, s *sessions.Session) {
	user, _ := s.Values["user_name"].(string)
	count, _ := s.Values["count"].(int)
	answer(w, user, count)
}

// change saves what change did to the session, and shows it.
func (g *gorillaApp) change(change func(w http.ResponseWriter, r *http.Request, s *sessions.Session) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s := g.get(w, r); s != nil && !failed(w, change(w, r, s)) && !failed(w, s.Save(r, w)) {
			g.show(w, s)
		}
	}
}

func (g *gorillaApp) pages() *pages {
	return &pages{
		read: func(w http.ResponseWriter, r *http.Request) {
			if s := g.get(w, r); s != nil {
				g.show(w, s)
			}
		},
		rolling: g.change(func(http.ResponseWriter, *http.Request, *sessions.Session) error { return nil }),
		counter: g.change(func(_ http.ResponseWriter, _ *http.Request, s *sessions.Session) error {
			count, _ := s.Values["count"].(int)
			s.Values["count"] = count + 1
			return nil
		}),
		login: g.change(func(w http.ResponseWriter, r *http.Request, s *sessions.Session) error {
			// Nothing changes an id, but once the row is deleted, the next save makes another.
			age := s.Options.MaxAge
			s.Options.MaxAge = -1
			if err := s.Save(r, w); err != nil {
				return err
			}
			s.Options.MaxAge = age
			s.Values["user_name"] = newUser()
			return nil
		}),
		begin: func(w http.ResponseWriter, r *http.Request) {
			s, err := g.store.Get(r, gorillaCookie)
			if failed(w, err) {
				return
			}
			s.Values["user_name"], s.Values["count"] = newUser(), 0
			s.Values["cart"], s.Values["theme"] = cart, theme
			if !failed(w, s.Save(r, w)) {
				g.show(w, s)
			}
		},
	}
}

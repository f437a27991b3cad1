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

	"github.com/sqlsessions/sessions/integration_test/servers"
)

func gorillaContenders() []contender {
	return []contender{{
		name: "gorilla", engines: both, hand: "hand", open: openGorilla, racy: true,
		about: "gorilla/sessions 1.4.0 with gormstore 2.0.3 (last release 2022), statements prepared and without GORM's transactions around each",
		less:  "the id itself is in the table, parallel changes are lost, no idle timeout unless every request saves (as it does in rolling), no absolute timeout, the handler has to save, and to check the error",
	}}
}

func openGorilla(_ context.Context, e *env) (http.Handler, error) {
	db, err := e.database(func(c *mysql.Config) { c.ParseTime = true })
	if err != nil {
		return nil, err
	}
	dialector := gormpostgres.New(gormpostgres.Config{Conn: db})
	if e.wire.engine == servers.MySQL {
		dialector = gormmysql.New(gormmysql.Config{Conn: db})
	}
	g, err := gorm.Open(dialector, &gorm.Config{PrepareStmt: true, SkipDefaultTransaction: true, Logger: logger.Discard})
	if err != nil {
		return nil, err
	}
	store := gormstore.New(g, newKey())
	store.SessionOpts.Secure, store.SessionOpts.HttpOnly = true, true
	store.SessionOpts.MaxAge = 24 * 60 * 60
	store.MaxLength(64 << 10)
	return (&gorillaApp{store}).pages(), nil
}

type gorillaApp struct{ store *gormstore.Store }

const gorillaCookie = "session"

var errNoSession = errors.New("no session")

// get answers the request itself when there is no session.
func (g *gorillaApp) get(w http.ResponseWriter, r *http.Request) *sessions.Session {
	s, err := g.store.Get(r, gorillaCookie)
	if err == nil && s.IsNew {
		err = errNoSession
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
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
			// There is nothing that changes an id. To delete the row makes the next save
			// begin another one.
			age := s.Options.MaxAge
			s.Options.MaxAge = -1
			if err := s.Save(r, w); err != nil {
				return err
			}
			s.Options.MaxAge = age
			s.Values["user_name"] = newUser()
			return nil
		}),
		begin: func(w http.ResponseWriter, r *http.Request, cart string) {
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

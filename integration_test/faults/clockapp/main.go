// Command clockapp is an application on a sessions table, for a test that compiles it with
// another clock.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
)

var value = sessions.NewKey[string]("value")

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], []byte(os.Args[4])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(engine, address, table string, secret []byte) error {
	store, err := open(engine, address, table)
	if err != nil {
		return err
	}
	manager, err := sessions.New(store, sessions.Options{
		Secrets: [][]byte{secret}, Cookie: sessions.CookieOptions{Secure: sessions.SecureAuto}, Timeout: 20 * time.Second, MaxPerUser: 2,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	handle := func(path string, f func(s *sessions.Session, w io.Writer, r *http.Request)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { f(sessions.FromContext(r.Context()), w, r) })
	}
	handle("/clock", func(_ *sessions.Session, w io.Writer, _ *http.Request) { fmt.Fprint(w, time.Now().Unix()) })
	handle("/set", func(s *sessions.Session, _ io.Writer, r *http.Request) { value.Set(s, r.FormValue("v")) })
	handle("/user", func(s *sessions.Session, w io.Writer, _ *http.Request) { fmt.Fprint(w, s.User()) })
	handle("/login", func(s *sessions.Session, _ io.Writer, r *http.Request) { s.SetUser(r.FormValue("u")) })
	handle("/fresh", func(s *sessions.Session, w io.Writer, _ *http.Request) {
		fmt.Fprint(w, s.AuthenticatedWithin(10*time.Minute))
	})
	handle("/regenerate", func(s *sessions.Session, _ io.Writer, _ *http.Request) { s.Regenerate() })
	handle("/logout", func(s *sessions.Session, _ io.Writer, _ *http.Request) { s.Destroy() })
	handle("/everywhere", func(s *sessions.Session, w io.Writer, r *http.Request) {
		n, err := manager.RevokeUser(r.Context(), s.User(), s.ID())
		fmt.Fprint(w, n, err)
	})
	// A sign-in during which its user is revoked by another.
	handle("/late", func(s *sessions.Session, w io.Writer, r *http.Request) {
		if _, err := manager.RevokeUser(context.WithoutCancel(context.Background()), r.FormValue("u")); err != nil {
			fmt.Fprint(w, err)
		}
		s.SetUser(r.FormValue("u"))
	})
	handle("/sweep", func(_ *sessions.Session, w io.Writer, r *http.Request) {
		n, err := (&sessions.Reaper{Store: store, NoRest: true}).Sweep(r.Context())
		fmt.Fprint(w, n, err)
	})
	server := httptest.NewServer(manager.Handler(mux))
	defer server.Close()
	fmt.Println(server.URL)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func open(engine, address, table string) (sessions.Store, error) {
	if engine == "mysql" {
		db, err := sql.Open("mysql", address)
		if err != nil {
			return nil, err
		}
		return mysqlstore.New(db).With(mysqlstore.Options{Table: table})
	}
	pool, err := pgxpool.New(context.Background(), address)
	if err != nil {
		return nil, err
	}
	return pgstore.NewPool(pool).With(pgstore.Options{Table: table})
}

// Package express lets a Go program share its sessions with a running Express
// application: the same signed cookie, byte for byte, and the same rows in the tables
// of connect-pg-simple and express-mysql-session.
//
//	store, err := pgsimple.Open(ctx, db, pgsimple.Options{}) // or mysqlsession
//	manager, err := express.New(store, express.Options{Secrets: []string{secret}})
//	...
//	http.ListenAndServe(addr, manager.Handler(mux))
//
// Handlers are those of package sessions: [sessions.FromContext], [sessions.NewKey]
// and so on; what Express keeps under req.session.views is the key "views". The
// promises of package sessions hold as far as Go programs write: nothing is
// answered before it is saved, parallel requests of Go programs do not lose each
// other's changes, and a session that was ended does not come back. Node writes as it
// always did: the whole session, over whatever is there.
//
// docs/express.md is the guide to moving an application, and lists express-session's
// options and behaviours with their counterparts here and each deliberate difference.
package express

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/internal/forwarded"
	"github.com/sqlsessions/sessions/internal/wire"
)

// New returns a manager that keeps sessions as express-session does. The store is one of
// package pgsimple or mysqlsession, or package memstore for tests.
// The error wraps [sessions.ErrInvalid].
func New(store sessions.Store, options Options) (*sessions.Manager, error) {
	o := options.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("express: %w", err)
	}
	if store == nil {
		return nil, fmt.Errorf("express: %w: store is nil; use pgsimple, mysqlsession or memstore", sessions.ErrInvalid)
	}
	p := &protocol{Options: o}
	p.proxies, _ = forwarded.Parse(o.TrustedProxies) // validated
	for _, secret := range o.Secrets {
		p.secrets = append(p.secrets, []byte(secret))
	}
	rest, skip := o.Sessions, o.Sessions.Skip
	rest.IdleTimeout = o.IdleTimeout
	rest.Skip = func(r *http.Request) bool {
		return !pathMatch(requestPath(r), o.Cookie.Path) || skip != nil && skip(r)
	}
	m, err := wire.New(store, rest, p, nil)
	if err != nil {
		return nil, fmt.Errorf("express: %w", err)
	}
	return m.(*sessions.Manager), nil
}

// requestPath is the path as the client sent it, whatever was stripped or decoded since.
func requestPath(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return path
	}
	return cmp.Or(r.URL.EscapedPath(), "/") // of http://host without a path
}

// pathMatch is RFC 6265, section 5.1.4. Upstream compares prefixes, so that its
// "/foo" is for "/foobar" too, where no browser sends the cookie.
func pathMatch(path, cookiePath string) bool {
	rest, ok := strings.CutPrefix(path, cookiePath)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(cookiePath, "/"))
}

package main

import (
	"cmp"
	"embed"
	"net/http"
	"strings"
	"time"

	"github.com/sqlsessions/sessions"
)

const (
	// rememberFor is how long a browser that was told to stays signed in, unused.
	rememberFor = 30 * 24 * time.Hour
	// lifetime ends even a session that is used every day. It counts from the
	// sign-in, so it has to leave room for rememberFor.
	lifetime = 90 * 24 * time.Hour
	// anonymous ends the session of a visitor who has not signed in, unused.
	anonymous = time.Hour

	maxForm = 16 << 10 // bytes of a request's body
)

// What a session holds. A key is the name of a value and its type.
var (
	notes  = sessions.NewKey[[]note]("notes")
	device = sessions.NewKey[string]("device") // the browser, as it called itself at login
	kept   = sessions.NewKey[bool]("remembered")
	flash  = sessions.NewKey[notice]("flash") // what the next page has to say, once
)

type note struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

type notice struct {
	Text  string `json:"text"`
	Error bool   `json:"error,omitempty"`
}

//go:embed static
var static embed.FS

type server struct {
	manager  *sessions.Manager
	accounts *accounts
	database string // name and version
}

// newServer returns the whole application as one handler.
func newServer(db *database, secret []byte, insecureCookie bool) (http.Handler, error) {
	options := sessions.Options{
		Secrets:    [][]byte{secret},
		Lifetime:   lifetime,
		MaxPerUser: maxPerUser,
		// Visitors can have notes too, but need not find them tomorrow.
		AnonymousTimeout: anonymous,
		Skip:             func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/static/") },
		ErrorHandler:     fail,
	}
	if insecureCookie {
		options.Cookie.Secure = sessions.SecureAuto
	}
	manager, err := sessions.New(db.store, options)
	if err != nil {
		return nil, err
	}
	s := &server{manager: manager, accounts: newAccounts(), database: db.name}

	// From the outside in. Requests from other sites are turned away before they
	// can cost a query; the pages that say so have the same headers as all others.
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(denied))
	handler := manager.Handler(s.routes())
	handler = http.MaxBytesHandler(handler, maxForm)
	handler = protection.Handler(handler)
	return secureHeaders(handler), nil
}

// routes: what changes something is a POST, and answers with a redirect, so
// that reloading a page never repeats it.
func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /notes", s.addNote)
	mux.HandleFunc("POST /notes/delete", s.deleteNote)
	mux.HandleFunc("POST /logout", signedIn(s.logout))
	mux.HandleFunc("POST /logout/others", signedIn(s.logoutOthers))
	mux.HandleFunc("POST /logout/everywhere", signedIn(s.logoutEverywhere))
	mux.HandleFunc("POST /sessions/end", signedIn(s.endSession))
	mux.HandleFunc("GET /password", signedIn(s.recently(s.newPassword)))
	mux.HandleFunc("POST /password", signedIn(s.recently(s.changePassword)))
	mux.HandleFunc("POST /confirm", signedIn(s.confirm))
	mux.Handle("GET /static/", http.FileServerFS(static))
	mux.HandleFunc("/", notFound)
	return mux
}

const signInFirst = "You are signed out on this device. Sign in to continue."

// signedIn lets only signed-in users through. The session may have been ended from
// another browser since the page with the button was shown.
func signedIn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		session := sessions.FromContext(r.Context())
		switch {
		case session.User() != "":
			next(w, r)
		case r.Method == http.MethodPost:
			flash.Set(session, notice{Error: true, Text: cmp.Or(whyEnded(r), signInFirst)})
			redirectHome(w, r)
		default: // anybody can ask for a page, so nothing is stored for that
			http.Redirect(w, r, "/?continue", http.StatusSeeOther)
		}
	}
}

// recently lets only those through who entered their password a short time ago.
func (s *server) recently(next http.HandlerFunc) http.HandlerFunc {
	return s.manager.RequireFresh(fresh, next, http.HandlerFunc(s.stale)).ServeHTTP
}

func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: with it, browsers hide the origin of a form's POST from
		// CrossOriginProtection too.
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

func redirectHome(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

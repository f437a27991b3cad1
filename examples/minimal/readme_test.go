package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/express/pgsimple"
	"github.com/sqlsessions/sessions/memstore"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/sqlitestore"
)

// What the README shows beside the program.

var ctx context.Context

var manager *sessions.Manager // the program's, as a package variable

var (
	userID = sessions.NewKey[int64]("user_id")
	notice = sessions.NewKey[string]("notice")
)

func login(w http.ResponseWriter, r *http.Request) {
	s := sessions.FromContext(r.Context())
	s.SetUser("42") // a new token; the user is indexed, to list and revoke the user's sessions
	userID.Set(s, 42)
	s.SetMaxAge(14 * 24 * time.Hour) // "remember me"
	notice.Set(s, "Welcome back")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func home(w http.ResponseWriter, r *http.Request) {
	s := sessions.FromContext(r.Context())
	id, signedIn := userID.Get(s)
	text, _ := notice.Pop(s) // show once
	fmt.Fprintln(w, id, signedIn, text)
}

func logout(w http.ResponseWriter, r *http.Request) {
	s := sessions.FromContext(r.Context())
	if user := s.User(); user != "" && r.FormValue("everywhere") != "" {
		if _, err := manager.RevokeUser(r.Context(), user); err != nil {
			slog.Error("log out everywhere", "error", err)
			http.Error(w, "Please try again.", http.StatusServiceUnavailable)
			return
		}
	}
	s.Destroy()
}

func devices(w http.ResponseWriter, r *http.Request) {
	user := sessions.FromContext(r.Context()).User()
	if user == "" {
		http.Error(w, "Sign in first.", http.StatusUnauthorized)
		return
	}
	var list []string
	for s, err := range manager.SessionsOf(r.Context(), user) {
		if err != nil {
			http.Error(w, "Please try again.", http.StatusServiceUnavailable)
			return
		}
		list = append(list, fmt.Sprintln(s.ID(), "last used", s.LastSeenAt().Format(time.DateTime)))
	}
	fmt.Fprint(w, strings.Join(list, ""))
}

func logoutDevice(w http.ResponseWriter, r *http.Request) {
	user, id := sessions.FromContext(r.Context()).User(), sessions.ID(r.PostFormValue("id"))
	if user == "" {
		http.Error(w, "Sign in first.", http.StatusUnauthorized)
		return
	}
	err := manager.Revoke(r.Context(), user, id) // ends the session only if it is this user's
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		http.Error(w, "This session has ended already.", http.StatusNotFound)
	case err != nil:
		http.Error(w, "Please try again.", http.StatusServiceUnavailable)
	}
}

func signInPage(w http.ResponseWriter, r *http.Request) {
	why, err := sessions.FromContext(r.Context()).EndedReason(r.Context()) // asks the store
	switch {
	case err != nil:
		slog.Error("why the session ended", "error", err)
	case why == sessions.ReasonRevokedUser:
		fmt.Fprintln(w, "You were signed out because you logged out everywhere or changed your password.")
	case why != "":
		fmt.Fprintln(w, "Your session has ended:", why)
	}
	fmt.Fprintln(w, "Sign in:")
}

func changePassword(w http.ResponseWriter, r *http.Request) {
	s := sessions.FromContext(r.Context())
	user := s.User()
	err := storePassword(r.Context(), user, r.PostFormValue("new")) // 1. committed, in a transaction of its own
	if err == nil {
		_, err = manager.RevokeUser(r.Context(), user, s.ID()) // 2. what the old one signed in ends, but for this session
	}
	if err != nil {
		slog.Error("change a password", "error", err)
		http.Error(w, "Please try again.", http.StatusServiceUnavailable)
		return
	}
	s.SetUser(user) // 3. a new token for this session
}

func storePassword(_ context.Context, _, _ string) error { return nil }

func askPassword(http.ResponseWriter, *http.Request) {}

func onSQLite() {
	db, err := sql.Open("sqlite", "file:app.db?_pragma=journal_mode(WAL)") // the driver's form; the CLI's is sqlite:app.db
	if err != nil {
		log.Fatal(err)
	}
	store := sqlitestore.New(db)
	go (&sessions.Reaper{Store: store}).Run(ctx)
}

func onMySQL() {
	// The driver's form of the address; the CLI's is mysql://app:secret@db.example.com/app.
	db, err := sql.Open("mysql", "app:secret@tcp(db.example.com:3306)/app")
	if err != nil {
		log.Fatal(err)
	}
	store := mysqlstore.New(db)
	_ = store
}

func routes() {
	http.HandleFunc("POST /login", login)
	http.HandleFunc("GET /{$}", home)
	http.HandleFunc("POST /logout", logout)
	http.HandleFunc("GET /devices", devices)
	http.HandleFunc("POST /devices/logout", logoutDevice)
	http.Handle("POST /password", manager.RequireFresh(5*time.Minute, http.HandlerFunc(changePassword), http.HandlerFunc(askPassword)))
}

func besideExpress(db *sql.DB, addToCart func(http.ResponseWriter, *http.Request)) {
	store, err := pgsimple.Open(ctx, db, pgsimple.Options{}) // connect-pg-simple's table
	if err != nil {
		log.Fatal(err)
	}
	manager, err := express.New(store, express.Options{Secrets: []string{os.Getenv("SESSION_SECRET")}})
	if err != nil {
		log.Fatal(err)
	}
	// addToCart reads and writes what Express has in req.session.
	http.Handle("POST /cart", manager.Handler(http.HandlerFunc(addToCart)))
}

// The README shows no Go that does not compile: all of it is quoted from here or is
// the program.
func TestReadmeQuotesThisPackage(t *testing.T) {
	_ = []any{login, home, logout, devices, logoutDevice, signInPage, changePassword, routes, onSQLite, onMySQL, besideExpress}
	var source string
	for _, name := range []string{"main.go", "readme_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source += unindented(string(text)) + "\n"
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) < 5 {
		t.Errorf("the README has %d blocks of Go", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(source, unindented(block)) {
			t.Errorf("this is in the README, and not in this package:\n%s", block)
		}
	}
}

func unindented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return strings.TrimSpace(b.String())
}

// The README's own handlers never show another user's values, and let a visitor log out too.
func TestReadmesLoginAndLogout(t *testing.T) {
	m, err := sessions.New(memstore.New(), sessions.Options{Secrets: [][]byte{[]byte("32 bytes or more, for this test!")}})
	if err != nil {
		t.Fatal(err)
	}
	manager = m
	admin, cart := sessions.NewKey[bool]("admin"), sessions.NewKey[string]("cart")
	cookie := ""
	serve := func(handler http.HandlerFunc) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "https://example.com/?everywhere=1", http.NoBody)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		manager.Handler(handler).ServeHTTP(w, r)
		if w.Code >= 400 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		if line := w.Header().Get("Set-Cookie"); line != "" {
			cookie, _, _ = strings.Cut(line, ";")
		}
	}
	check := func(when, user, inCart string, isAdmin bool) {
		t.Helper()
		serve(func(_ http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			gotCart, _ := cart.Get(s)
			gotAdmin, _ := admin.Get(s)
			if s.User() != user || gotCart != inCart || gotAdmin != isAdmin {
				t.Errorf("%s: %q with cart %q, admin %v; want %q, %q, %v", when, s.User(), gotCart, gotAdmin, user, inCart, isAdmin)
			}
		})
	}
	serve(logout) // of a visitor
	serve(func(_ http.ResponseWriter, r *http.Request) { cart.Set(sessions.FromContext(r.Context()), "book") })
	serve(login)
	check("a visitor who signed in", "42", "book", false)
	serve(logout)
	check("after the logout", "", "", false)
	serve(logout)
	serve(func(_ http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		s.SetUser("alice")
		admin.Set(s, true)
		cart.Set(s, "alice's")
	})
	check("alice", "alice", "alice's", true)
	serve(login)
	check("another user in her browser", "42", "", false)
	serve(home)
	serve(devices)
}

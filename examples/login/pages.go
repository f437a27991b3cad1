package main

import (
	"bytes"
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/sqlsessions/sessions"
)

// homePage is what the start page shows; most of it comes from the session.
type homePage struct {
	Notice   *notice
	Notes    []note
	Database string
	Remember time.Duration // what the box on the login form offers

	User       string // the rest is for signed-in users
	ID         sessions.ID
	SignedIn   time.Time
	Expires    time.Time
	Remembered bool
	Sessions   []sessionRow
}

// A sessionRow is one line of the table "where you are signed in".
type sessionRow struct {
	ID                 sessions.ID
	Device             string
	SignedIn, LastSeen time.Time
	Current            bool
}

// home only reads, apart from a notice that is shown once: a visitor who looks around costs
// no row.
func (s *server) home(w http.ResponseWriter, r *http.Request) {
	session := sessions.FromContext(r.Context())
	page := homePage{
		Database: s.database,
		Remember: rememberFor,
		User:     session.User(),
	}
	if said, ok := flash.Pop(session); ok {
		page.Notice = &said
	}
	page.Notes, _ = notes.Get(session)
	if page.User == "" {
		text := whyEnded(r)
		if text == "" && r.URL.Query().Has("continue") {
			text = signInFirst
		}
		if text != "" && page.Notice == nil {
			page.Notice = &notice{Text: text}
		}
		render(w, http.StatusOK, "signedout", page)
		return
	}

	page.ID = session.ID()
	page.SignedIn = session.AuthenticatedAt()
	page.Expires = session.ExpiresAt()
	page.Remembered, _ = kept.Get(session)
	for other, err := range s.manager.SessionsOf(r.Context(), page.User) {
		if err != nil {
			failed(w, r, err)
			return
		}
		page.Sessions = append(page.Sessions, sessionRow{
			ID: other.ID(), Device: nameOf(other),
			SignedIn: other.AuthenticatedAt(), LastSeen: other.LastSeenAt(),
			Current: other.ID() == page.ID,
		})
	}
	slices.SortFunc(page.Sessions, func(a, b sessionRow) int {
		if a.Current != b.Current { // this one comes first, then the newest
			if a.Current {
				return -1
			}
			return 1
		}
		return b.SignedIn.Compare(a.SignedIn)
	})
	render(w, http.StatusOK, "signedin", page)
}

//go:embed templates
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"ago":   ago,
	"in":    in,
	"span":  span,
	"stamp": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"title": title,
}).ParseFS(templateFiles, "templates/*.html"))

// render answers with a page. It is built in memory first, because a template that fails
// half-way must not leave half a page.
func render(w http.ResponseWriter, status int, name string, data any) {
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, name, data); err != nil {
		slog.Error("a page could not be made", "page", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store") // so that the back button does not show the last user's page
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // an error is the client's: it left
}

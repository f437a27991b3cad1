package main

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/sqlsessions/sessions"
)

const backToStart = "Back to the start"

type errorPage struct {
	Status int
	Title  string
	Text   string
	Action string // the text of the link to the start page
}

// fail is the sessions.Options.ErrorHandler: it answers a request whose session
// could not be loaded or saved. The reason is in the log; the visitor is not told.
func fail(w http.ResponseWriter, _ *http.Request, err error) {
	page := errorPage{
		Status: http.StatusServiceUnavailable, Title: "Something went wrong",
		Text:   "The database is not responding. Please try again in a moment.",
		Action: "Try again",
	}
	switch {
	case errors.Is(err, sessions.ErrEnded):
		page = errorPage{
			Status: http.StatusConflict, Title: "This session has ended",
			Text:   "It ended while this page was loading. Nothing was saved.",
			Action: "Sign in again",
		}
		if ended := new(sessions.EndedError); errors.As(err, &ended) {
			page.Text += " " + because[ended.Reason]
		}
	case errors.Is(err, sessions.ErrTooLarge), errors.Is(err, sessions.ErrValue), errors.Is(err, sessions.ErrTooLate):
		page = errorPage{
			Status: http.StatusInternalServerError, Title: "This is our mistake",
			Text:   "What you sent could not be saved. Nothing was changed.",
			Action: backToStart,
		}
	default:
		w.Header().Set("Retry-After", "5")
	}
	render(w, page.Status, "error", page)
}

// failed is fail for an error that a handler met and that is not in the log yet.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	slog.Error("a request failed", "path", r.URL.Path, "error", err)
	fail(w, r, err)
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	render(w, http.StatusNotFound, "error", errorPage{
		Status: http.StatusNotFound, Title: "Page not found",
		Text: "This page does not exist.", Action: backToStart,
	})
}

func denied(w http.ResponseWriter, _ *http.Request) {
	render(w, http.StatusForbidden, "error", errorPage{
		Status: http.StatusForbidden, Title: "This request came from another site",
		Text: "Another website tried to act in your name. Nothing was changed.", Action: backToStart,
	})
}

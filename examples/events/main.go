// Events sends Server-Sent Events to users who are signed in. A stream ends when its
// session does: by a logout in another tab, by "log out everywhere" on another machine, or
// by a timeout.
//
//	go run ./examples/events
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

func main() {
	secret := make([]byte, 32) // yours is the same after a restart
	_, _ = rand.Read(secret)
	manager, err := sessions.New(memstore.New(), sessions.Options{
		Secrets:     [][]byte{secret},
		IdleTimeout: time.Minute, // short, to see it
	})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "localhost:8080", Handler: routes(manager), ReadHeaderTimeout: 5 * time.Second}
	log.Print("http://localhost:8080")
	log.Fatal(server.ListenAndServe())
}

func routes(manager *sessions.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) })
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) {
		sessions.FromContext(r.Context()).SetUser("ann") // after the password was checked
	})
	mux.HandleFunc("POST /everywhere", func(w http.ResponseWriter, r *http.Request) {
		if _, err := manager.RevokeUser(r.Context(), "ann"); err != nil {
			http.Error(w, "Please try again.", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /active", active)
	mux.HandleFunc("GET /events", events)
	return http.NewCrossOriginProtection().Handler(manager.Handler(mux))
}

// events sends the time until the client leaves or the session ends.
func events(w http.ResponseWriter, r *http.Request) {
	s := sessions.FromContext(r.Context())
	if s.User() == "" {
		http.Error(w, "Sign in first.", http.StatusUnauthorized)
		return
	}
	ctx, out := s.Context(), http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		fmt.Fprintf(w, "data: %s\n\n", time.Now().Format(time.TimeOnly))
		_ = out.Flush()
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		var ended *sessions.EndedError
		if errors.As(context.Cause(ctx), &ended) { // otherwise the client has left
			fmt.Fprintf(w, "event: ended\ndata: %s\n\n", ended.Reason)
		}
		return
	}
}

// active is called by the page while its user moves the mouse or types. An open stream does
// not keep a session alive. Any request does, at most once an Options.TouchInterval; Touch
// does it now, and says whether the session has ended.
func active(w http.ResponseWriter, r *http.Request) {
	if err := sessions.FromContext(r.Context()).Touch(r.Context()); err != nil {
		http.Error(w, "Please try again.", http.StatusServiceUnavailable)
	}
}

const page = `<!DOCTYPE html><title>Events</title>
<button onclick="post('/login').then(listen)">Sign in</button> <button onclick="post('/everywhere')">Log out everywhere</button>
<p id="time">
<script>
const show = text => document.getElementById('time').textContent = text
const post = path => fetch(path, {method: 'POST'})
function listen() {
	const events = new EventSource('/events')
	events.onmessage = e => show(e.data)
	events.addEventListener('ended', e => { events.close(); show('Your session has ended: ' + e.data) })
}
let last = 0
for (const kind of ['keydown', 'pointermove'])
	addEventListener(kind, () => { if (Date.now() - last > 10000) { last = Date.now(); post('/active') } })
</script>
`

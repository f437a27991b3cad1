// Websocket echoes what users who are signed in send. A connection closes when its session
// ends, wherever that happens, and a user who sends something keeps the session alive.
//
//	go run ./examples/websocket
package main

import (
	"context"
	"crypto/rand"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/coder/websocket"

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
	mux.HandleFunc("GET /echo", echo)
	return http.NewCrossOriginProtection().Handler(manager.Handler(mux))
}

// touchEvery is how often a busy connection moves the idle timeout: one write each time.
const touchEvery = 10 * time.Second

func echo(w http.ResponseWriter, r *http.Request) {
	s := sessions.FromContext(r.Context())
	if s.User() == "" {
		http.Error(w, "Sign in first.", http.StatusUnauthorized)
		return
	}
	conn, err := websocket.Accept(w, r, nil) // only for pages of this site
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }()

	ctx := s.Context()
	stop := context.AfterFunc(ctx, func() {
		_ = conn.Close(websocket.StatusPolicyViolation, context.Cause(ctx).Error())
	})
	defer stop()

	var touched time.Time
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return // the client has left, or the session has ended
		}
		if time.Since(touched) > touchEvery {
			if err := s.Touch(r.Context()); err != nil {
				log.Print(err) // if the session has ended, ctx ends soon; otherwise try again
			} else {
				touched = time.Now()
			}
		}
		if err := conn.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}

const page = `<!DOCTYPE html><title>Websocket</title>
<button onclick="post('/login').then(connect)">Sign in</button> <button onclick="post('/everywhere')">Log out everywhere</button>
<input onchange="socket.send(value)"> <p id="answer">
<script>
const show = text => document.getElementById('answer').textContent = text
const post = path => fetch(path, {method: 'POST'})
let socket
function connect() {
	socket = new WebSocket('/echo')
	socket.onmessage = e => show(e.data)
	socket.onclose = e => show('closed: ' + e.reason)
}
</script>
`

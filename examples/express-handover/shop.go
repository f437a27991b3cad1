package main

import (
	"encoding/json"
	"log"
	"net/http"

	"github.com/sqlsessions/sessions"
)

// What req.session holds in the Express application.
var (
	userKey    = sessions.NewKey[string]("user")
	cartKey    = sessions.NewKey[map[string]int]("cart")
	answersKey = sessions.NewKey[map[string]int]("answers")
)

// newShop is the same shop in Go. It does not know in which table and cookie its sessions are.
func newShop() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, r *http.Request) { view(w, sessions.FromContext(r.Context())) })
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		s.Regenerate() // another token; the cart stays
		userKey.Set(s, r.FormValue("user"))
		answersKey.Update(s, plusOne("Go"))
		view(w, s)
	})
	mux.HandleFunc("POST /cart", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		cartKey.Update(s, plusOne(r.FormValue("item")))
		answersKey.Update(s, plusOne("Go"))
		view(w, s)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		s.Destroy()
		view(w, s)
	})
	return mux
}

// plusOne adds one to an entry of a map. No parallel request is lost.
func plusOne(name string) func(map[string]int) map[string]int {
	return func(m map[string]int) map[string]int {
		if m == nil {
			m = map[string]int{}
		}
		m[name]++
		return m
	}
}

func view(w http.ResponseWriter, s *sessions.Session) {
	answer := struct {
		Runtime string         `json:"runtime"`
		User    string         `json:"user"`
		Cart    map[string]int `json:"cart"`
		Answers map[string]int `json:"answers"`
		ID      sessions.ID    `json:"id"`
	}{Runtime: "Go", Cart: map[string]int{}, Answers: map[string]int{}}
	answer.User, _ = userKey.Get(s)
	if !s.IsNew() {
		answer.ID = s.ID() // not secret, unlike the cookie
	}
	if cart, ok := cartKey.Get(s); ok {
		answer.Cart = cart
	}
	if answers, ok := answersKey.Get(s); ok {
		answer.Answers = answers
	}
	writeJSON(w, answer)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil { // the browser has gone
		log.Print("answer: ", err)
	}
}

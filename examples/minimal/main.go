// Minimal is the program of the README, which a test compares with it.
package main

import (
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/pgstore"
)

var clicks = sessions.NewKey[int]("clicks")

func main() {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	store := pgstore.New(db)
	manager, err := sessions.New(store, sessions.Options{
		Secrets: [][]byte{[]byte(os.Getenv("SESSION_SECRET"))}, // 32 random bytes or more
	})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /{$}", show)
	http.HandleFunc("POST /{$}", click)
	log.Fatal(http.ListenAndServe("localhost:8080", manager.Handler(http.DefaultServeMux)))
}

// show only reads, so a visitor who looks around costs no row.
func show(w http.ResponseWriter, r *http.Request) {
	n, _ := clicks.Get(sessions.FromContext(r.Context()))
	fmt.Fprintf(w, "<p>%d clicks <form method=post><button>Click</button></form>\n", n)
}

func click(w http.ResponseWriter, r *http.Request) {
	clicks.Update(sessions.FromContext(r.Context()), func(n int) int { return n + 1 })
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

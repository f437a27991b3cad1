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

var visits = sessions.NewKey[int]("visits")

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
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		n := visits.Update(s, func(n int) int { return n + 1 })
		fmt.Fprintf(w, "visit %d\n", n)
	})
	log.Fatal(http.ListenAndServe("localhost:8080", manager.Handler(http.DefaultServeMux)))
}

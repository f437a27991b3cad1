package express_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/express/mysqlsession"
	"github.com/sqlsessions/sessions/express/pgsimple"
	"github.com/sqlsessions/sessions/express/takeover"
	"github.com/sqlsessions/sessions/memstore"
	"github.com/sqlsessions/sessions/mysqlstore"
	"github.com/sqlsessions/sessions/pgstore"
)

var (
	userID = sessions.NewKey[int64]("userId")  // req.session.userId
	cart   = sessions.NewKey[[]string]("cart") // req.session.cart
)

func addToCart(w http.ResponseWriter, r *http.Request) {
	s := sessions.FromContext(r.Context())
	if _, ok := userID.Get(s); !ok {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	item := r.FormValue("item")
	items := cart.Update(s, func(items []string) []string { return append(items, item) })
	_, _ = fmt.Fprintln(w, "your cart:", items)
}

func login(_ http.ResponseWriter, r *http.Request) {
	s := sessions.FromContext(r.Context())
	s.Destroy() // req.session.regenerate; s.Regenerate keeps the data
	userID.Set(s, 42)
}

func logout(_ http.ResponseWriter, r *http.Request) {
	sessions.FromContext(r.Context()).Destroy()
}

// What is not in Go yet goes to Express. This is for a program behind a proxy that
// ends TLS and sets X-Forwarded-Proto itself, whatever the client sent.
func toExpress(address *url.URL) http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(address)
		r.Out.Host = r.In.Host
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			r.Out.Header[name] = r.In.Header[name]
		}
	}}
}

// One program in front: some routes in Go, the others in Express, the same sessions.
func Example() { //nolint:testableexamples // it would need a database
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	store, err := pgsimple.Open(context.Background(), db, pgsimple.Options{})
	if err != nil {
		log.Fatal(err)
	}
	manager, err := express.New(store, express.Options{
		Secrets: []string{os.Getenv("SESSION_SECRET")},
		Cookie: express.CookieOptions{
			MaxAge:   24 * time.Hour,
			SameSite: express.SameSiteLax,
			Secure:   express.SecureAuto,
		},
		TrustProxyHops: 1, // app.set('trust proxy', 1)
	})
	if err != nil {
		log.Fatal(err)
	}
	inGo := func(f http.HandlerFunc) http.Handler {
		return http.NewCrossOriginProtection().Handler(manager.Handler(f))
	}
	mux := http.NewServeMux()
	mux.Handle("POST /cart", inGo(addToCart))
	mux.Handle("/", toExpress(&url.URL{Scheme: "http", Host: "127.0.0.1:3000"}))
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", mux))
}

// The same with express-mysql-session's table.
func Example_mySQL() { //nolint:testableexamples // it would need a database
	db, err := sql.Open("mysql", "app:secret@tcp(127.0.0.1:3306)/shop")
	if err != nil {
		log.Fatal(err)
	}
	store, err := mysqlsession.Open(context.Background(), db, mysqlsession.Options{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = express.New(store, express.Options{Secrets: []string{os.Getenv("SESSION_SECRET")}})
	if err != nil {
		log.Fatal(err)
	}
}

// The end of the move: Express is gone, its sessions come along with their users' next requests.
func Example_takeOver() { //nolint:testableexamples // it would need a database
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	oldStore, err := pgsimple.Open(context.Background(), db, pgsimple.Options{})
	if err != nil {
		log.Fatal(err)
	}
	old, err := express.New(oldStore, express.Options{ // as before
		Secrets: []string{os.Getenv("SESSION_SECRET")},
	})
	if err != nil {
		log.Fatal(err)
	}
	manager, err := takeover.New(pgstore.New(db), sessions.Options{
		Secrets: [][]byte{[]byte(os.Getenv("NEW_SESSION_SECRET"))}, // 32 random bytes or more
	}, takeover.From{
		Manager: old,
		UserKey: "userId", // what Session.User returns from now on
		Until:   time.Date(2027, time.March, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = (&sessions.Reaper{Store: oldStore}).Run(context.Background()) }()
	_ = manager.Handler(http.DefaultServeMux)
}

// After `sessions import`: the old table is not looked at any more, and can be dropped.
func Example_importedOnly() { //nolint:testableexamples // it would need a database
	db, err := sql.Open("mysql", "app:secret@tcp(127.0.0.1:3306)/shop")
	if err != nil {
		log.Fatal(err)
	}
	store, err := mysqlstore.New(db).With(mysqlstore.Options{Table: "web_sessions"})
	if err != nil {
		log.Fatal(err)
	}
	old, err := express.New(memstore.New(), express.Options{
		Secrets: []string{os.Getenv("SESSION_SECRET")},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = takeover.New(store, sessions.Options{
		Secrets: [][]byte{[]byte(os.Getenv("NEW_SESSION_SECRET"))},
	}, takeover.From{
		Manager: old, UserKey: "userId", ImportedOnly: true,
		Until: time.Date(2027, time.March, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		log.Fatal(err)
	}
}

// One user's session lasts longer than the others'.
func ExampleSetCookie() {
	manager, err := express.New(memstore.New(), express.Options{Secrets: []string{"keyboard cat"}})
	if err != nil {
		log.Fatal(err)
	}
	h := manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		userID.Set(s, 42)
		c := express.Cookie(s)
		c.MaxAge = 14 * 24 * time.Hour
		c.SameSite = express.SameSiteStrict
		if err := express.SetCookie(s, c); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/login", http.NoBody))
	sent := answer.Result().Cookies()[0]
	fmt.Println(sent.Name, sent.SameSite == http.SameSiteStrictMode, time.Until(sent.Expires) > 13*24*time.Hour)
	// Output: connect.sid true true
}

// A handler's test needs no database and no cookie of its own making.
func ExampleNew() {
	manager, err := express.New(memstore.New(), express.Options{Secrets: []string{"keyboard cat"}})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/login", login)
	mux.HandleFunc("/cart", addToCart)
	mux.HandleFunc("/logout", logout)
	h := manager.Handler(mux)

	var cookies []*http.Cookie
	for _, path := range []string{"/cart?item=tea", "/login", "/cart?item=tea", "/cart?item=milk", "/logout", "/cart?item=jam"} {
		r := httptest.NewRequest(http.MethodPost, path, http.NoBody)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		if sent := answer.Result().Cookies(); len(sent) > 0 {
			cookies = sent
		}
		fmt.Println(strings.TrimSpace(fmt.Sprint(path, " ", answer.Code, " ", answer.Body)))
	}
	_, err = express.New(nil, express.Options{})
	fmt.Println(errors.Is(err, sessions.ErrInvalid))
	// Output:
	// /cart?item=tea 401 log in first
	// /login 200
	// /cart?item=tea 200 your cart: [tea]
	// /cart?item=milk 200 your cart: [tea milk]
	// /logout 200
	// /cart?item=jam 401 log in first
	// true
}

// The guide shows no Go that does not compile: all of it is quoted from this file.
func TestTheGuideQuotesTheExamples(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../docs/express.md")
	if err != nil {
		t.Fatal(err)
	}
	this, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(guide), "```go\n")[1:]
	if len(blocks) < 4 {
		t.Errorf("the guide has %d blocks of Go", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		for part := range strings.SplitSeq(block, "...\n") { // what the guide leaves out
			if !strings.Contains(unindented(string(this)), unindented(part)) {
				t.Errorf("this is in the guide, and in no example:\n%s", part)
			}
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

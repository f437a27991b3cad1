package express_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/express/internal/row"
)

// A conformanceTest stands for the cases of upstream's test/session.js that
// begin on these lines.
type conformanceTest struct {
	lines []int
	name  string
	run   func(t *testing.T)
}

// conform runs each on a clock of its own, which begins on 1 January 2000.
func conform(t *testing.T, tests []conformanceTest) {
	t.Helper()
	t.Parallel()
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			express.Covers(t, "session.js", c.lines...)
			synctest.Test(t, c.run)
		})
	}
}

func change(s *sessions.Session) { views.Update(s, func(n int) int { return n + 1 }) }

func look(s *sessions.Session) { views.Get(s) }

func lasting(d time.Duration) func(*express.Options) {
	return func(o *express.Options) { o.Cookie.MaxAge = d }
}

// signed is a cookie's value, made without the code under test.
func signed(id, by string) string {
	mac := hmac.New(sha256.New, []byte(by))
	mac.Write([]byte(id))
	return url.QueryEscape("s:" + id + "." + base64.RawStdEncoding.EncodeToString(mac.Sum(nil)))
}

func wantOps(t *testing.T, store *spy, want ...string) {
	t.Helper()
	if got := store.taken(); !slices.Equal(got, want) {
		t.Errorf("the store was asked to %v, want %v", got, want)
	}
}

func wantCookie(t *testing.T, res *http.Response, want bool) {
	t.Helper()
	if got := res.Header["Set-Cookie"]; (len(got) == 1) != want || len(got) > 1 {
		t.Errorf("Set-Cookie is %q, want one: %v", got, want)
	}
}

// wantAttributes looks at what follows the value; "" is no cookie.
func wantAttributes(t *testing.T, res *http.Response, want string) {
	t.Helper()
	_, got, _ := strings.Cut(res.Header.Get("Set-Cookie"), "; ")
	if got != want {
		t.Errorf("the cookie has the attributes %q, want %q", got, want)
	}
}

func wantStatus(t *testing.T, res *http.Response, want int) {
	t.Helper()
	if res.StatusCode != want {
		t.Errorf("status %d, want %d", res.StatusCode, want)
	}
}

func wantViews(t *testing.T, b *browser, want int) {
	t.Helper()
	if got := value(b, views); got != want {
		t.Errorf("the session has %d, want %d", got, want)
	}
}

// refOf is what a store knows a session ID of Express by.
func refOf(sid string) driver.Ref {
	return driver.Ref{ID: row.ID(sid), Verifier: driver.Verifier(sid)}
}

// stored is the row under an id, "" for none.
func stored(t *testing.T, store *spy, id string) string {
	t.Helper()
	row, err := store.Store.Load(t.Context(), refOf(id))
	if err != nil {
		return ""
	}
	return string(row.Data)
}

// plant makes a row as another program would.
func plant(t *testing.T, store *spy, id, data string) {
	t.Helper()
	_, err := store.Store.Create(t.Context(), driver.CreateRequest{
		Ref: refOf(id), Data: []byte(data), Life: driver.Life{Idle: time.Hour, Absolute: 24 * time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func rows(t *testing.T, store *spy) int {
	t.Helper()
	stats, err := store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats.Live
}

// storedCookie is the member "cookie" of a row.
func storedCookie(t *testing.T, store *spy, id string) (c struct {
	OriginalMaxAge *int64     `json:"originalMaxAge"`
	Expires        *time.Time `json:"expires"`
},
) {
	t.Helper()
	var row struct {
		Cookie json.RawMessage `json:"cookie"`
	}
	if err := json.Unmarshal([]byte(stored(t, store, id)), &row); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(row.Cookie, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// A recorded is a request and what is answered to it.
type recorded struct {
	*httptest.ResponseRecorder
	request *http.Request
}

func newRecorded(t *testing.T, uri string) recorded {
	t.Helper()
	return recorded{httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, uri, nil)}
}

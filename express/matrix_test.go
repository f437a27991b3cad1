package express_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
)

// When express-session writes and when it sends the cookie, in all combinations
// of its options: 64 cells, observed by running it.
func TestDecisionMatrix(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Matrix []struct {
			Session           string   `json:"session"`
			Modified          bool     `json:"modified"`
			MaxAge            int      `json:"maxAge"` // milliseconds
			Resave            bool     `json:"resave"`
			SaveUninitialized bool     `json:"saveUninitialized"`
			Rolling           bool     `json:"rolling"`
			SetCookie         bool     `json:"setCookie"`
			Ops               []string `json:"ops"`
		} `json:"matrix"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Matrix) != 64 {
		t.Fatalf("%d cells", len(vectors.Matrix))
	}
	for _, cell := range vectors.Matrix {
		t.Run(fmt.Sprintf("%s,modified=%v,maxAge=%d,resave=%v,saveUninitialized=%v,rolling=%v",
			cell.Session, cell.Modified, cell.MaxAge, cell.Resave, cell.SaveUninitialized, cell.Rolling), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newSpy()
				m := newManager(t, store, func(o *express.Options) {
					o.Resave, o.SaveUninitialized, o.Rolling = cell.Resave, cell.SaveUninitialized, cell.Rolling
					o.Cookie.MaxAge = time.Duration(cell.MaxAge) * time.Millisecond
				})
				b := newBrowser(t, m)
				if cell.Session == "exist" {
					b.visit(func(s *sessions.Session) { name.Set(s, "ann") })
					time.Sleep(59 * time.Second) // so that a touch is worth while
					if cell.MaxAge == 0 {
						time.Sleep(time.Minute)
					}
					store.taken()
				}
				res := b.visit(func(s *sessions.Session) {
					if cell.Modified {
						views.Set(s, 1)
					}
				})
				if got := res.Header["Set-Cookie"]; (len(got) == 1) != cell.SetCookie || len(got) > 1 {
					t.Errorf("Set-Cookie %q, want one: %v", got, cell.SetCookie)
				}
				if got := store.taken(); !slices.Equal(got, cell.Ops) {
					t.Errorf("the store was asked to %v, want %v", got, cell.Ops)
				}
			})
		})
	}
}

package sessions_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// steps are what a handler can do that concerns the cookie.
var steps = []string{"save", "regenerate", "destroy", "set", "login"}

// orders returns all sequences of up to n steps.
func orders(n int) [][]string {
	all := [][]string{nil}
	for from := 0; n > 0; n-- {
		end := len(all)
		for _, seq := range all[from:end] {
			for _, step := range steps {
				all = append(all, append(slices.Clip(seq), step))
			}
		}
		from = end
	}
	return all
}

// expectation is a model of what a sequence of steps must lead to.
type expectation struct{ exists, sameID bool }

func expect(seq []string, existed bool) expectation {
	values, row, sameID := existed, existed, existed
	for _, step := range seq {
		switch step {
		case "set":
			values = true
		case "save":
			row = row || values
		case "regenerate":
			sameID = false
		case "login":
			values, sameID = true, false
		case "destroy":
			values, row, sameID = false, false, false
		}
	}
	return expectation{exists: row || values, sameID: sameID}
}

func TestOneCookieThatDescribesTheLastState(t *testing.T) {
	t.Parallel()
	for _, existed := range []bool{false, true} {
		for _, seq := range orders(4) {
			label := fmt.Sprintf("existed=%v %v", existed, seq)
			m := newManager(t, memstore.New())
			v := newVisitor(t, m)
			if existed {
				v = loggedIn(t, m)
			}
			before := v.cookie
			res := v.serve(func(_ http.ResponseWriter, r *http.Request) {
				s := sessions.FromContext(r.Context())
				for i, step := range seq {
					switch step {
					case "save":
						if err := s.Save(r.Context()); err != nil {
							t.Errorf("%s: save: %v", label, err)
						}
					case "regenerate":
						s.Regenerate()
					case "destroy":
						s.Destroy()
					case "set":
						count.Set(s, 100+i)
					case "login":
						s.SetUser("ann")
					}
				}
			})
			wantStatus(t, res, http.StatusOK)
			want := expect(seq, existed)
			c := ours(t, res) // fails the test where there are two
			deleted := c != nil && c.MaxAge < 0 && c.Value == ""
			switch {
			case want.exists && want.sameID:
				if c != nil && c.Value != before {
					t.Errorf("%s: another cookie came for the same session", label)
				}
			case want.exists && (c == nil || deleted || c.Value == before):
				t.Errorf("%s: cookie %v, want that of the new session", label, c)
			case !want.exists && existed && !deleted:
				t.Errorf("%s: cookie %v, want its deletion", label, c)
			case !want.exists && !existed && c != nil:
				t.Errorf("%s: cookie %v, want none", label, c)
			}
			rows := 0
			if want.exists {
				rows = 1
				if !v.alive() {
					t.Errorf("%s: the cookie names no session", label)
				}
			}
			if n, _ := m.Count(t.Context()); n != rows {
				t.Errorf("%s: %d rows, want %d", label, n, rows)
			}
			if old := (&visitor{t, m, before}); existed && !want.sameID && old.alive() {
				t.Errorf("%s: the old id still works", label)
			}
		}
	}
}

func TestTheHandlersOwnCookiesStay(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, memstore.New()))
	res := v.serve(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
		http.SetCookie(w, &http.Cookie{Name: cookieName, Value: "the handler's idea"})
		http.SetCookie(w, &http.Cookie{Name: "session2", Value: "x"})
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "again"})
		count.Set(sessions.FromContext(r.Context()), 1)
	})
	lines := res.Header["Set-Cookie"]
	want := []string{"theme=dark", "session2=x", "theme=again"}
	if len(lines) != 4 || !slices.Equal(lines[:3], want) || !strings.HasPrefix(lines[3], cookieName+"="+v.cookie+";") || strings.Contains(lines[3], "idea") {
		t.Errorf("Set-Cookie lines %q", lines)
	}
}

func TestVaryIsMerged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ there, want []string }{
		{nil, []string{"Cookie"}},
		{[]string{"Accept"}, []string{"Accept", "Cookie"}},
		{[]string{"Accept, cookie"}, []string{"Accept, cookie"}},
		{[]string{"Accept", "COOKIE , Origin"}, []string{"Accept", "COOKIE , Origin"}},
		{[]string{"*"}, []string{"*"}},
		{[]string{"Accept, *"}, []string{"Accept, *"}},
		{[]string{"Cookie-Preference"}, []string{"Cookie-Preference", "Cookie"}},
	} {
		v := newVisitor(t, newManager(t, memstore.New()))
		res := v.serve(func(w http.ResponseWriter, r *http.Request) {
			for _, line := range c.there {
				w.Header().Add("Vary", line)
			}
			sessions.FromContext(r.Context())
			sessions.FromContext(r.Context())
		})
		if got := res.Header["Vary"]; !slices.Equal(got, c.want) {
			t.Errorf("Vary %q became %q, want %q", c.there, got, c.want)
		}
	}
}

func TestVaryNeedsAnAccess(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, memstore.New()))
	if got := v.serve(func(http.ResponseWriter, *http.Request) {}).Header["Vary"]; got != nil {
		t.Errorf("Vary %q on a response that does not depend on the session", got)
	}
	res := v.serve(func(_ http.ResponseWriter, r *http.Request) {
		if sessions.FromContext(r.Context()) == nil {
			t.Error("no session in the context")
		}
	})
	if got := res.Header.Get("Vary"); got != "Cookie" {
		t.Errorf("Vary %q after FromContext, want Cookie", got)
	}
}

func TestSavedBeforeSeen(t *testing.T) {
	t.Parallel()
	store := newSpy()
	store.reset(func(string) error {
		time.Sleep(rand.N(2 * time.Millisecond)) // the store's work, not a wait for something
		return nil
	})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		name.Set(sessions.FromContext(r.Context()), r.FormValue("text"))
		http.Redirect(w, r, "/show", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /show", func(w http.ResponseWriter, r *http.Request) {
		text, _ := name.Get(sessions.FromContext(r.Context()))
		_, _ = w.Write([]byte(text))
	})
	srv, client := newServer(t, newManager(t, store).Handler(mux))
	for i := range 200 {
		want := fmt.Sprint("text ", i)
		res, err := client.PostForm(srv.URL, map[string][]string{"text": {want}})
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, res); got != want {
			t.Fatalf("after redirect %d the next page shows %q, want %q", i, got, want)
		}
	}
}

func TestANestedHandlerIsInert(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	v := loggedIn(t, m)
	store.reset(nil)
	v.serve(func(w http.ResponseWriter, r *http.Request) {
		outer := sessions.FromContext(r.Context())
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if sessions.FromContext(r.Context()) != outer {
				t.Error("the inner handler has a session of its own")
			}
			count.Set(outer, 5)
		})).ServeHTTP(w, r)
		if n := store.count("save"); n != 0 {
			t.Errorf("the inner handler saved %d times", n)
		}
	})
	if loads, saves := store.count("load"), store.count("save"); loads != 1 || saves != 1 {
		t.Errorf("%d loads and %d saves, want 1 and 1", loads, saves)
	}
	if got := value(v, count); got != 5 {
		t.Errorf("count is %d, want 5", got)
	}
}

func TestSkipLeavesRequestsAlone(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store, func(o *sessions.Options) {
		o.Skip = func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/static/") }
	})
	v := loggedIn(t, m)
	store.reset(nil)
	r := httptest.NewRequest(http.MethodGet, "/static/a.css", http.NoBody)
	r.Header.Set("Cookie", cookieName+"="+v.cookie)
	rec := httptest.NewRecorder()
	var below http.ResponseWriter
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		below = w
		if sessions.FromContext(r.Context()) != nil {
			t.Error("a skipped request has a session")
		}
		defer func() {
			if text := fmt.Sprint(recover()); !strings.Contains(text, "Options.Skip") {
				t.Errorf("using the session that is not there panics with %q, which does not say why", text)
			}
		}()
		count.Get(sessions.FromContext(r.Context()))
	})).ServeHTTP(rec, r)
	if below != http.ResponseWriter(rec) || store.count() != 0 || len(rec.Header()) != 0 {
		t.Errorf("writer %T, %d calls of the store, header %v", below, store.count(), rec.Header())
	}
}

// A manager finds its session through those of others, however often it is nested.
func TestNestedManagers(t *testing.T) {
	t.Parallel()
	a := newManager(t, memstore.New(), func(o *sessions.Options) { o.Cookie.Name = "a" })
	b := newManager(t, memstore.New(), func(o *sessions.Options) { o.Cookie.Name = "b" })
	var seen []sessions.ID
	note := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, sessions.FromContext(r.Context()).ID())
			count.Update(sessions.FromContext(r.Context()), func(n int) int { return n + 1 })
			if next != nil {
				next.ServeHTTP(w, r)
			}
		})
	}
	rec := httptest.NewRecorder()
	a.Handler(note(b.Handler(note(a.Handler(note(nil)))))).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "https://example.com/", http.NoBody))
	if len(seen) != 3 || seen[0] == seen[1] || seen[1] != seen[2] {
		t.Errorf("the handlers saw %v, want the inner manager's session twice", seen)
	}
	wantRows(t, a, 1)
	wantRows(t, b, 1)
	if lines := rec.Result().Header["Set-Cookie"]; len(lines) != 2 {
		t.Errorf("cookies %q", lines)
	}
}

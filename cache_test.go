package sessions_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

func TestNoStoreComesWithTheCookieOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		there    []string
		withSet  string
		readOnly string
	}{
		{nil, "no-store", ""},
		{[]string{"public, max-age=60"}, "no-store", "public, max-age=60"},
		{[]string{"No-Store, private"}, "No-Store, private", "No-Store, private"},
		{[]string{"private", "no-store"}, "private|no-store", "private|no-store"},
		{[]string{"public, x-no-store=0"}, "no-store", "public, x-no-store=0"},
		{[]string{"public, no-storex"}, "no-store", "public, no-storex"},
		{[]string{"public, no-store=0"}, "no-store", "public, no-store=0"},
		{[]string{`public, x="a, no-store, b"`}, "no-store", `public, x="a, no-store, b"`},
		{[]string{`x="a\", no-store, "`}, "no-store", `x="a\", no-store, "`},
		{[]string{"max-age=0 ,\tno-store\t"}, "max-age=0 ,\tno-store\t", "max-age=0 ,\tno-store\t"},
	} {
		v := newVisitor(t, newManager(t, memstore.New()))
		for _, set := range []bool{true, false} {
			res := v.serve(func(w http.ResponseWriter, r *http.Request) {
				for _, line := range c.there {
					w.Header().Add("Cache-Control", line)
				}
				if set {
					count.Set(sessions.FromContext(r.Context()), 1)
				}
			})
			want := c.readOnly
			if set {
				want = c.withSet
			}
			if got := strings.Join(res.Header["Cache-Control"], "|"); got != want {
				t.Errorf("Cache-Control %q became %q, want %q (cookie sent: %v)", c.there, got, want, set)
			}
		}
	}
}

// A cache that has a header of its own believes it rather than Cache-Control (RFC 9213).
func TestNoHeaderOfACacheSurvivesBesideTheCookie(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Vercel-CDN-Cache-Control", "Netlify-CDN-Cache-Control",
		"Akamai-Cache-Control", "X-LiteSpeed-Cache-Control", "Surrogate-Control", "Edge-Control", "X-Accel-Expires",
	} {
		v := newVisitor(t, newManager(t, memstore.New()))
		for _, canonical := range []bool{true, false} {
			for _, set := range []bool{true, false} {
				res := v.serve(func(w http.ResponseWriter, r *http.Request) {
					key := strings.ToLower(name)
					if canonical {
						key = http.CanonicalHeaderKey(name)
					}
					w.Header()[key] = []string{"public, max-age=60"}
					w.Header().Set("Cache-Control", "no-store")
					if set {
						count.Update(sessions.FromContext(r.Context()), func(n int) int { return n + 1 })
						sessions.FromContext(r.Context()).Regenerate()
					}
				})
				left := 0
				for key := range res.Header {
					if strings.EqualFold(key, name) {
						left++
					}
				}
				if (left == 0) != set {
					t.Errorf("%s, as written canonically %v: %d of it left (cookie sent: %v)", name, canonical, left, set)
				}
			}
		}
	}
}

// Nor does a cache keep the answer which says that the session could not be kept.
func TestTheDefaultErrorHandlersAnswerIsForNoCache(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	rec.Header().Set("Cdn-Cache-Control", "public, max-age=60")
	rec.Header().Set("Cache-Control", "no-store, public")
	sessions.DefaultErrorHandler(rec, httptest.NewRequest(http.MethodGet, "/", http.NoBody), errDown)
	if h := rec.Header(); h.Get("Cache-Control") != "no-store, public" || h.Get("CDN-Cache-Control") != "" {
		t.Errorf("header %v", h)
	}
}

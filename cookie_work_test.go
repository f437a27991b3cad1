package sessions_test

import (
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
)

// However many live sessions a request presents, and however often, it costs a few loads and
// the log a line. (What the signatures cost is counted in internal/token.)
func TestManyLiveCookiesCostLittle(t *testing.T) {
	t.Parallel()
	store, log := newSpy(), new(logBook)
	m := newManager(t, store, func(o *sessions.Options) {
		o.Logger, o.EndOnReplay = log.logger(), true
	})
	var live, replaced []string
	for range 1000 {
		v := loggedIn(t, m)
		live = append(live, cookieName+"="+v.cookie)
	}
	for range 10 {
		v := loggedIn(t, m)
		replaced = append(replaced, cookieName+"="+v.cookie)
		v.visit((*sessions.Session).Regenerate)
	}
	for what, c := range map[string]struct {
		cookies []string
		loads   int
	}{
		"as many as are looked up": {live[:4], 4},
		"one more":                 {live[:5], 0},
		"a thousand":               {live, 0},
		"replaced tokens":          {replaced[:4], 4},
		"many replaced tokens":     {replaced, 0},
	} {
		store.reset(nil)
		for range 20 {
			if seen, res := withHeader(t, m, strings.Join(c.cookies, "; ")); seen != 0 || res.Header["Set-Cookie"] != nil {
				t.Errorf("%s: the handler saw %d, Set-Cookie %q", what, seen, res.Header["Set-Cookie"])
			}
		}
		if n := store.count(); n != 20*c.loads || store.count("load") != n {
			t.Errorf("%s: %d calls of the store, %d of them loads; want %d", what, n, store.count("load"), 20*c.loads)
		}
	}
	if n := strings.Count(log.text(), "\n"); n != 1 {
		t.Errorf("%d lines in the log:\n%s", n, log.text())
	}
}

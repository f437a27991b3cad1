package token

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzRead puts a good cookie among several headers full of crumbs.
func FuzzRead(f *testing.F) {
	const name = "__Host-session"
	f.Add("", "; ;=;", "a=b")
	f.Add(name+"=", name, name+"=1"+strings.Repeat("A", 64)+"."+strings.Repeat("A", 43))
	f.Add(strings.Repeat(";", 2998), " "+name+" =x", "__host-session=x")
	signer := testSigner()
	token := anyToken()
	good := signer.Encode(token)
	f.Fuzz(func(t *testing.T, before, after, beside string) {
		h := http.Header{"Cookie": {before, beside + ";" + name + "=" + good + "; " + after, after, name + "=" + good}}
		crumbs := 0
		for _, line := range h["Cookie"] {
			crumbs += strings.Count(line, ";") + 1
		}
		found, presented := signer.Read(h, name)
		if crumbs > maxCookies {
			if len(found) > 0 {
				t.Errorf("%d cookies, and one was found", crumbs)
			}
			return
		}
		if len(found) != 1 || found[0].Text != token.Text() || !presented {
			t.Errorf("found %+v, presented %v, want the good one once", found, presented)
		}
		h = http.Header{"Cookie": {before, beside, after}}
		if found, _ = signer.Read(h, name); len(found) > 0 && !strings.Contains(before+beside+after, found[0].Text) {
			t.Errorf("found %+v in %q", found, h)
		}
	})
}

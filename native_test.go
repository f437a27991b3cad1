package sessions

import (
	"crypto/tls"
	"net/http"
	"testing"
)

func TestWhetherACookieIsSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode     SecureMode
		https    bool
		host     string
		withheld bool
		secure   bool
	}{
		{SecureAlways, true, "example.com", false, true},
		{SecureAlways, false, "example.com", true, true},
		{SecureAlways, false, "localhost:8080", false, true},
		{SecureAuto, true, "example.com", false, true},
		{SecureAuto, false, "example.com", false, false},
		{SecureAuto, false, "localhost:8080", false, false},
		{SecureNever, true, "example.com", false, false},
		{SecureNever, false, "example.com", false, false},
	} {
		n := native{options: &Options{Cookie: CookieOptions{Secure: c.mode}}}
		r := &http.Request{Host: c.host}
		if c.https {
			r.TLS = new(tls.ConnectionState)
		}
		if withheld, secure := n.Sends(r); withheld != c.withheld || secure != c.secure {
			t.Errorf("%+v: withheld %v, secure %v", c, withheld, secure)
		}
	}
}

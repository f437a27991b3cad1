package target

import (
	"strings"
	"testing"
)

// FuzzParse checks that a URL is parsed or refused, and that neither shows its password.
func FuzzParse(f *testing.F) {
	for _, seed := range [][2]string{
		{"postgres", "host/db"},
		{"postgres", "host:x/db?sslmode=nope"},
		{"mysql", "host:3306/db?parseTime=true&tls=x"},
		{"mariadb", "[::1]/db?socket=/a%zz"},
		{"POSTGRESQL", "h1,h2:1/db?target_session_attrs=any&connect_timeout=-1"},
		{"oracle", "host/db"},
		{"mysql", "a b/%"},
		{"postgres", "@@/?@"},
		{"", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	for _, seed := range []string{"sqlite:a.db", "sqlite:///a%20b.db?_pragma=x(1)", "sqlite::memory:", "sqlite:%", "sqlite:a?%zz"} {
		f.Add(seed, "")
	}
	const password = "Zk3yW0rdThatIsSecret"
	f.Fuzz(func(t *testing.T, scheme, rest string) {
		for _, raw := range []string{scheme, scheme + ":" + rest, scheme + "://" + rest} {
			if a, err := Parse(raw); err == nil && (a.Dialect == "" || a.open == nil) {
				t.Errorf("%q is parsed as %+v", raw, a)
			}
		}
		if strings.Contains(scheme, ":") || strings.EqualFold(scheme, "sqlite") { // a path has no password
			return
		}
		for _, raw := range []string{scheme + "://user:" + password + "@" + rest, scheme + "://user:" + password + rest} {
			a, err := Parse(raw)
			inPlace := strings.HasPrefix(raw, scheme+"://user:"+password+"@")
			if err != nil && strings.Contains(err.Error(), password) || inPlace && strings.Contains(a.Where+a.User+a.Name, password) {
				t.Errorf("%q shows the password: %v, %q", raw, err, a.Where)
			}
		}
	})
}

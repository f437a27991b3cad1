package express

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// Of a request's cookies no more is checked against the secrets than a browser can send.
func TestTheWorkForARequestHasABound(t *testing.T) {
	t.Parallel()
	secret := []byte("keyboard cat")
	for what, line := range map[string]string{
		"a megabyte in one cookie":  "connect.sid=" + marker + strings.Repeat("a", 1<<20) + "." + strings.Repeat("b", signatureLength),
		"a megabyte, and signed":    "connect.sid=" + marker + sign(strings.Repeat("a", 1<<20), secret),
		"a megabyte of other names": strings.Repeat("a=b; ", 200_000),
		"10,000 of ours":            strings.Repeat("connect.sid="+marker+sign("id", []byte("another"))+"; ", 10_000),
		"a thousand of 900 bytes":   strings.Repeat("connect.sid="+strings.Repeat("a", 900)+"; ", 1000),
	} {
		values, bytes := 0, 0
		for value := range cookieValues([]string{line}, "connect.sid") {
			values++
			bytes += len(value)
		}
		if values > maxValues || bytes > maxValues*maxValue {
			t.Errorf("%s: %d values of %d bytes are checked", what, values, bytes)
		}
		value, _ := cookieValue([]string{line}, "connect.sid")
		if len(value) > maxValue {
			t.Errorf("%s: %d bytes of the first are checked", what, len(value))
		}
		if id, _, ok := readID(value, [][]byte{secret}); ok {
			t.Errorf("%s: an ID of %d bytes is accepted", what, len(id))
		}
	}
}

// As with net/http, a request with more than 3,000 cookies has none that counts, and they are
// not taken apart.
func TestARequestWithTooManyCookies(t *testing.T) {
	t.Parallel()
	good := "connect.sid=" + marker + sign("id", []byte("keyboard cat"))
	for what, c := range map[string]struct {
		lines   []string
		present bool
	}{
		"as many as may be":      {[]string{strings.Repeat("a=b; ", 2999) + good}, true},
		"one more":               {[]string{strings.Repeat("a=b; ", 3000) + good}, false},
		"on two lines":           {[]string{good, strings.Repeat("a=b; ", 2999)}, false},
		"a megabyte of nothing":  {[]string{good + strings.Repeat(";", 1<<20)}, false},
		"a thousand short lines": {append(slices.Repeat([]string{"a=b"}, 1000), good), true},
	} {
		if _, present := cookieValue(c.lines, "connect.sid"); present != c.present {
			t.Errorf("%s: present %v", what, present)
		}
	}
}

// No cookie that a browser could send is kept out.
func TestTheLongestCookieIsAccepted(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1, 128, maxValue - len("s%3A") - 1 - signatureLength} {
		id := strings.Repeat("a", length)
		m, err := New(memstore.New(), Options{Secrets: []string{"keyboard cat"}, NewID: func(*http.Request) (string, error) { return id, nil }})
		if err != nil {
			t.Fatal(err)
		}
		key := sessions.NewKey[int]("n")
		h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n := key.Update(sessions.FromContext(r.Context()), func(n int) int { return n + 1 }); n > 1 {
				w.WriteHeader(http.StatusAccepted)
			}
		}))
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", http.NoBody))
		r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		value, _, _ := strings.Cut(answer.Header().Get("Set-Cookie"), ";")
		value = strings.ReplaceAll(strings.ReplaceAll(value, "%2B", "+"), "%2F", "/")
		r.Header.Set("Cookie", value)
		answer = httptest.NewRecorder()
		if h.ServeHTTP(answer, r); answer.Code != http.StatusAccepted {
			t.Errorf("an ID of %d bytes in a cookie of %d opens nothing", length, len(value))
		}
	}
}

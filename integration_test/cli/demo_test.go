package cli_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// The README's demo on every database: log in, restart, still logged in; log
// out everywhere ends the other browser's session on its next request.
func TestDemo(t *testing.T) {
	binary := testbed.Build(t, "./examples/login")
	for name, database := range map[string]func(*testing.T) string{
		"postgres": func(t *testing.T) string {
			return testbed.PostgresPooler.ForPgx(testbed.NewDatabase(t, servers.PostgreSQL))
		},
		"mysql":  func(t *testing.T) string { return testbed.NewDatabase(t, servers.MySQL) },
		"sqlite": func(*testing.T) string { return "" }, // the default, a file in the current folder
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{"--insecure-cookie", "--addr", "127.0.0.1:0"}
			if url := database(t); url != "" {
				args = append(args, "--database-url", url)
			}
			address, stop := testbed.Serve(t, dir, binary, args...)
			phone, laptop := newVisitor(t, address), newVisitor(t, address)
			for _, v := range []*demoVisitor{phone, laptop} {
				v.wants("signed out", false)
				v.post("/login", "name", "alice", "password", "demo", "remember", "on")
				v.wants("signed in", true)
			}
			phone.post("/notes", "text", "buy <milk>")

			stop()
			args[2] = strings.TrimPrefix(address, "http://") // the same address
			testbed.Serve(t, dir, binary, args...)
			for _, v := range []*demoVisitor{phone, laptop} {
				v.wants("still signed in after a restart", true)
			}
			if page := phone.get(); !strings.Contains(page, "buy &lt;milk&gt;") {
				t.Error("the note did not survive the restart")
			}
			laptop.post("/logout/everywhere")
			laptop.wants("signed out here", false)
			phone.wants("signed out by the other browser", false)
		})
	}
}

type demoVisitor struct {
	*http.Client
	t       *testing.T
	address string
}

func newVisitor(t *testing.T, address string) *demoVisitor {
	jar, err := cookiejar.New(nil)
	testbed.Check(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &demoVisitor{&http.Client{Jar: jar, Transport: transport}, t, address}
}

func (v *demoVisitor) get() string {
	v.t.Helper()
	b := &testbed.Browser{Client: v.Client, T: v.t, Base: v.address}
	return b.OK("/")
}

func (v *demoVisitor) post(path string, form ...string) {
	v.t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	answer, err := v.PostForm(v.address+path, values)
	testbed.Check(v.t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		v.t.Errorf("POST %s: %d", path, answer.StatusCode)
	}
}

func (v *demoVisitor) wants(what string, signedIn bool) {
	v.t.Helper()
	page := v.get()
	if strings.Contains(page, `action="/logout"`) != signedIn || strings.Contains(page, `action="/login"`) == signedIn {
		v.t.Errorf("%s: the page says otherwise:\n%s", what, page)
	}
}

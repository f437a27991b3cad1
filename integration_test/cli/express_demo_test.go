package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// The demo of a hand-over with a real Express application: the login and the cart stay while
// routes move between Node and Go, and when Go takes over.
func TestExpressDemo(t *testing.T) {
	haveNode(t)
	binary := testbed.Build(t, "./examples/express-handover")
	for name, engine := range map[string]servers.Engine{"postgres": servers.PostgreSQL, "mysql": servers.MySQL} {
		t.Run(name, func(t *testing.T) {
			database := testbed.NewDatabase(t, engine)
			if engine == servers.PostgreSQL {
				database = testbed.PostgresPooler.ForPgx(database)
			}
			address, _ := testbed.Serve(t, t.TempDir(), binary, "--addr", "127.0.0.1:0", "--database-url", database)
			shop := newShopper(t, address)
			shop.asks("Express", http.MethodPost, "/login", "user", "ann")
			shop.asks("Express", http.MethodPost, "/cart", "item", "tea")
			shop.asks("Express", http.MethodGet, "/account").is("ann", map[string]int{"tea": 1})

			shop.moves("cart")
			shop.asks("Go", http.MethodPost, "/cart", "item", "tea").is("ann", map[string]int{"tea": 2})
			testbed.Parallel(10, func(int) { shop.asks("Go", http.MethodPost, "/cart", "item", "cake") })
			shop.asks("Express", http.MethodGet, "/account").is("ann", map[string]int{"tea": 2, "cake": 10})
			shop.moves("cart") // back
			shop.asks("Express", http.MethodPost, "/cart", "item", "milk").is("ann", map[string]int{"tea": 2, "cake": 10, "milk": 1})

			other := newShopper(t, address)
			other.asks("Express", http.MethodPost, "/login", "user", "bob")
			shop.moves("logout")
			other.asks("Go", http.MethodPost, "/logout")
			other.asks("Express", http.MethodGet, "/account").is("", map[string]int{})

			old := newShopper(t, address)
			old.client.Jar.SetCookies(old.address, shop.client.Jar.Cookies(shop.address))
			shop.asks("", http.MethodPost, "/native")
			shop.asks("Go", http.MethodGet, "/account").is("ann", map[string]int{"tea": 2, "cake": 10, "milk": 1})
			for _, c := range shop.client.Jar.Cookies(shop.address) {
				if c.Name == "connect.sid" {
					t.Error("Express's cookie is still there after the take-over")
				}
			}
			shop.asks("Go", http.MethodPost, "/logout").is("", map[string]int{})
			old.asks("Go", http.MethodGet, "/account").is("", map[string]int{}) // with the cookie from before
		})
	}
}

// haveNode gets Node and npm where root may install Debian's packages, whose Node may be
// too old: then npm gets one that is not.
func haveNode(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		if err := servers.InstallPackages(t.Context(), os.Stderr, "npm"); err != nil {
			t.Fatalf("the demo needs Node 20 or later with npm: %v", err)
		}
	}
	version, err := exec.CommandContext(t.Context(), "node", "--version").Output()
	major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), ".")
	if n, _ := strconv.Atoi(major); err == nil && n >= 20 {
		return
	}
	name := "node-" + runtime.GOOS + "-" + map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	dir := t.TempDir()
	npm := exec.CommandContext(t.Context(), "npm", "install", "--prefix", dir, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", name+"@20.20.2")
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("the demo needs Node 20 or later, which npm could not get: %v\n%s", err, out)
	}
	t.Setenv("PATH", filepath.Join(dir, "node_modules", name, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
}

type shopper struct {
	t       *testing.T
	client  *http.Client
	address *url.URL
}

func newShopper(t *testing.T, address string) *shopper {
	t.Helper()
	jar, err := cookiejar.New(nil)
	testbed.Check(t, err)
	u, err := url.Parse(address)
	testbed.Check(t, err)
	return &shopper{t, &http.Client{Jar: jar}, u}
}

// An account is what the shop answers.
type account struct {
	t       *testing.T
	Runtime string         `json:"runtime"`
	User    string         `json:"user"`
	Cart    map[string]int `json:"cart"`
}

// asks sends a request that the runtime has to answer.
func (s *shopper) asks(runtime, method, path string, form ...string) *account {
	s.t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	a := &account{t: s.t}
	var response *http.Response
	var err error
	if method == http.MethodPost {
		response, err = s.client.PostForm(s.address.String()+path, values)
	} else {
		response, err = s.client.Get(s.address.String() + path)
	}
	if err != nil {
		s.t.Errorf("%s: %v", path, err)
		return a
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(a); err != nil || response.StatusCode != http.StatusOK || a.Runtime != runtime {
		s.t.Errorf("%s was answered %d by %q: %v", path, response.StatusCode, a.Runtime, err)
	}
	return a
}

func (s *shopper) moves(route string) {
	s.t.Helper()
	s.asks("", http.MethodPost, "/move/"+route)
}

func (a *account) is(user string, cart map[string]int) {
	a.t.Helper()
	if a.User != user || !reflect.DeepEqual(a.Cart, cart) {
		a.t.Errorf("user %q with %v, want %q with %v", a.User, a.Cart, user, cart)
	}
}

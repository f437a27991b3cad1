package sessions_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/memstore"
)

// refKeeper is a store that writes down the verifiers it sees.
type refKeeper struct {
	*spy
	mu   sync.Mutex
	refs map[driver.Verifier]driver.Ref
}

func newRefKeeper() *refKeeper {
	return &refKeeper{spy: newSpy(), refs: map[driver.Verifier]driver.Ref{}}
}

func (k *refKeeper) Create(ctx context.Context, req driver.CreateRequest) (driver.SaveResult, error) {
	k.keep(req.ID, req.Verifier)
	return k.spy.Create(ctx, req)
}

func (k *refKeeper) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	k.keep(req.From.ID, req.Verifier)
	return k.spy.Save(ctx, req)
}

func (k *refKeeper) keep(id driver.ID, v driver.Verifier) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refs[v] = driver.Ref{ID: id, Verifier: v}
}

// secrets are byte strings that must not be seen, in any of their spellings.
type secrets map[string]string

func (s secrets) add(what string, raw []byte) {
	if _, there := s[what]; there {
		panic("two secrets with the name " + what)
	}
	s[what] = string(raw)
	s[what+", hex"] = hex.EncodeToString(raw)
	s[what+", base64"] = base64.RawStdEncoding.EncodeToString(raw)
	s[what+", base64url"] = base64.RawURLEncoding.EncodeToString(raw)
	s[what+", %v"] = strings.Trim(fmt.Sprintf("%d", raw), "[]")
	s[what+", %#v"] = strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", raw), "[]byte{"), "}")
	s[what+", %q"] = strings.Trim(fmt.Sprintf("%q", raw), `"`)
	log := new(logBook)
	log.logger().Info("m", "v", string(raw))
	_, logged, _ := strings.Cut(log.text(), `"v":"`)
	s[what+", slog"] = strings.TrimSuffix(logged, "\"}\n")
	s[what+", JSON"] = strings.Trim(string(must(json.Marshal(string(raw)))), `"`)
}

func (s secrets) addCookie(what, value string) {
	token, mac, _ := strings.Cut(value, ".")
	s.add(what+": the secret", must(base64.RawURLEncoding.DecodeString(token[1:]))[16:])
	s.add(what+": the signature", must(base64.RawURLEncoding.DecodeString(mac)))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (s secrets) check(tb testing.TB, where, text string) {
	tb.Helper()
	low := strings.ToLower(text)
	for what, secret := range s {
		if strings.Contains(text, secret) || strings.Contains(what, ", hex") && strings.Contains(low, secret) {
			tb.Errorf("%s shows %s", where, what)
		}
	}
}

// traffic runs what a manager meets in its life and returns the secrets that
// were in play, and all text that came out of it beside the cookies.
func traffic(t *testing.T) (secrets, string) {
	t.Helper()
	log := new(logBook)
	store := newRefKeeper()
	var out strings.Builder
	m := newManager(t, store, func(o *sessions.Options) {
		o.Logger = log.logger()
		o.Secrets = [][]byte{secretA, secretB}
		o.MaxBytes = 1000
		o.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
			_, _ = fmt.Fprintf(&out, "%v\n%+v\n%#v\n%q\n", err, err, err, err)
			sessions.DefaultErrorHandler(w, r, err)
		}
	})
	found := secrets{}
	found.add("secret A", secretA)
	found.add("secret B", secretB)
	v := newVisitor(t, m)
	run := func(hook func(string) error, f func(*sessions.Session)) {
		store.reset(hook)
		res := v.visit(f)
		store.reset(nil)
		_, _ = out.WriteString(body(t, res))
		if v.cookie != "" {
			found.addCookie(fmt.Sprint("cookie ", len(found)), v.cookie)
		}
	}
	set := func(s *sessions.Session) { count.Update(s, func(n int) int { return n + 1 }) }
	run(nil, set)
	run(nil, func(s *sessions.Session) { s.SetUser("ann") })
	run(nil, func(s *sessions.Session) { s.Regenerate(); s.SetMaxAge(time.Hour) })
	for _, op := range []string{"load", "save", "renew", "end", "create"} {
		run(failing(errDown, op), set)
		run(failing(errDown, op), func(s *sessions.Session) { s.Regenerate(); set(s) })
		run(failing(errDown, op), func(s *sessions.Session) { s.Destroy(); set(s) })
		run(nil, set)
	}
	run(failing(driver.ErrExists, "renew"), func(s *sessions.Session) { s.Regenerate() })
	run(nil, func(s *sessions.Session) { name.Set(s, strings.Repeat("x", 2000)) })
	run(nil, func(s *sessions.Session) { name.Set(s, "\xff") })
	run(nil, func(s *sessions.Session) { v.twin().visit(func(s *sessions.Session) { s.Destroy() }); set(s) })
	run(nil, set)
	for _, ref := range store.refs { // rows that can't be read
		if row, err := store.Load(t.Context(), ref); err == nil {
			row.Data = []byte(`{"broken`)
			_ = saveRow(t, store.spy, row)
		}
	}
	run(nil, func(*sessions.Session) {})
	run(nil, set)
	withHeader(t, m, cookieName+"="+v.cookie+"; "+cookieName+"="+loggedIn(t, m).cookie) // two live ones
	withHeader(t, m, cookieName+"="+v.cookie+"x")
	_, err := m.Load(t.Context(), v.cookie+"x")
	_, _ = fmt.Fprintln(&out, err)
	v.serve(func(w http.ResponseWriter, r *http.Request) {
		defer func() { _, _ = fmt.Fprintln(&out, recover()) }()
		w.WriteHeader(http.StatusOK)
		sessions.FromContext(r.Context()).Regenerate()
	})
	for verifier := range store.refs {
		found.add(fmt.Sprint("verifier ", len(found)), []byte(verifier))
	}
	if len(store.refs) < 5 || len(log.lines(t, "ERROR")) < 10 || len(log.lines(t, "WARN")) == 0 {
		t.Fatalf("%d verifiers; the traffic is not what it should be:\n%s", len(store.refs), log.text())
	}
	return found, log.text() + out.String()
}

func TestNeitherLogNorErrorsNorAnswersShowASecret(t *testing.T) {
	t.Parallel()
	found, text := traffic(t)
	found.check(t, "the log or an answer", text)
	if t.Failed() {
		t.Log(text)
	}
}

// formats are the ways in which a value gets into a log by accident.
func formats(t *testing.T, v any) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "% x", "%d"} {
		all[verb] = fmt.Sprintf(verb, v)
	}
	if b, err := json.Marshal(v); err == nil {
		all["json.Marshal"] = string(b)
	}
	log := new(logBook)
	log.logger().Info("message", "value", v)
	all["slog"] = log.text()
	return all
}

func TestAVerifierPrintsAsAPlaceholder(t *testing.T) {
	t.Parallel()
	verifier := driver.Verifier("0123456789 verifier 0123456789 v")
	ref := driver.Ref{ID: "0190b6f0-0000-7000-8000-000000000000", Verifier: verifier}
	found := secrets{}
	found.add("the verifier", []byte(verifier))
	for what, v := range map[string]any{
		"Verifier":      verifier,
		"*Verifier":     &verifier,
		"Ref":           ref,
		"Row":           driver.Row{Ref: ref},
		"*Row":          &driver.Row{Ref: ref},
		"CreateRequest": driver.CreateRequest{Ref: ref},
		"SaveRequest":   driver.SaveRequest{From: ref, Verifier: verifier},
		"TouchRequest":  driver.TouchRequest{Ref: ref},
		"EndRequest":    driver.EndRequest{Verifier: verifier},
		"[]":            []driver.Verifier{verifier},
		"in a map":      map[string]driver.Verifier{"verifier": verifier},
		"error":         fmt.Errorf("load %s: %q", verifier, verifier),
	} {
		for verb, text := range formats(t, v) {
			found.check(t, what+" by "+verb, text)
			if what == "Verifier" && !strings.Contains(text, "[verifier]") {
				t.Errorf("by %s a Verifier prints as %q", verb, text)
			}
		}
	}
}

// fmt prints unexported fields without asking their Format methods.
func TestManagerOptionsAndSessionPrintNoSecret(t *testing.T) {
	t.Parallel()
	found := secrets{}
	found.add("a secret", secretA)
	store := newRefKeeper()
	options := sessions.Options{Secrets: [][]byte{secretA}, Cookie: sessions.CookieOptions{Secure: sessions.SecureAuto}}
	m, err := sessions.New(store, options)
	if err != nil {
		t.Fatal(err)
	}
	v := loggedIn(t, m)
	found.addCookie("the cookie", v.cookie)
	for verifier := range store.refs {
		found.add(fmt.Sprint("verifier ", len(found)), []byte(verifier))
	}
	v.visit(func(s *sessions.Session) {
		for what, value := range map[string]any{"*Manager": m, "Options": options, "*Options": &options, "*Session": s} {
			for verb, text := range formats(t, value) {
				found.check(t, what+" by "+verb, text)
			}
		}
	})
}

// encoding/json quotes a json.Number that is none.
func TestARefusedValueIsNotLogged(t *testing.T) {
	t.Parallel()
	log := new(logBook)
	v := newVisitor(t, newManager(t, memstore.New(), func(o *sessions.Options) { o.Logger = log.logger() }))
	v.visit(func(s *sessions.Session) {
		sessions.NewKey[any]("n").Set(s, map[string]any{"pin": json.Number("hunter2")})
	})
	if strings.Contains(log.text(), "hunter2") {
		t.Errorf("the value is in the log: %s", log.text())
	}
}

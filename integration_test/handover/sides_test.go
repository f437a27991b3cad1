package handover_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// An op is one thing that a request does to its session. Both applications know
// the same ones.
type op struct {
	Op    string          `json:"op"`
	Key   string          `json:"key,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	Date  int64           `json:"date,omitempty"` // in place of Value: milliseconds since 1970
}

// A view is what a request sees of its session at some moment.
type view struct {
	Present bool                       `json:"present"`
	ID      string                     `json:"id"`
	Data    map[string]json.RawMessage `json:"data"`
	Cookie  json.RawMessage            `json:"cookie"`
	Line    string                     `json:"line"` // Node only: the Set-Cookie line for name=value
}

// An answer is the body of a response.
type answer struct {
	Views   []view `json:"views"`   // one for each op of that name
	End     view   `json:"end"`     // after all ops
	Changed bool   `json:"changed"` // Node only: whether it takes the session for modified
}

// A reply is a response.
type reply struct {
	answer
	status  int
	body    string
	cookies []string // the Set-Cookie lines
}

// A side is one of the two applications, as a client sees it.
type side struct {
	name   string
	url    string
	client *http.Client
}

// A request is what a browser sends.
type request struct {
	cookie string // the header, "" for none
	https  bool   // as the proxy in front says
	ops    []op
}

// send sends a request to the application on a table: "live" or, Node's only, "mirror".
func (s *side) send(ctx context.Context, table string, r request) (reply, error) {
	ops := r.ops
	if ops == nil {
		ops = []op{}
	}
	body, err := json.Marshal(ops)
	if err != nil {
		return reply{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/"+table, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if r.cookie != "" {
		req.Header.Set("Cookie", r.cookie)
	}
	if r.https {
		req.Header.Set("X-Forwarded-Proto", "https")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return reply{}, fmt.Errorf("%s: %w", s.name, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, fmt.Errorf("%s: %w", s.name, err)
	}
	out := reply{status: resp.StatusCode, body: string(text), cookies: resp.Header.Values("Set-Cookie")}
	if out.status == http.StatusOK {
		err = json.Unmarshal(text, &out.answer)
	}
	return out, err
}

// must is send for a request that is answered.
func (s *side) must(t testing.TB, table string, r request) reply {
	t.Helper()
	out, err := s.send(t.Context(), table, r)
	testbed.Check(t, err)
	if out.status != http.StatusOK {
		t.Fatalf("%s answered %d: %.500s", s.name, out.status, out.body)
	}
	return out
}

// A nodeApp is the running Express application.
type nodeApp struct {
	side
	errors *output
}

// settings configure the application.
type settings struct {
	Kind    string            `json:"kind"`
	URL     string            `json:"url"`
	Tables  map[string]*table `json:"tables"`
	TTL     int               `json:"ttl,omitempty"`
	Session map[string]any    `json:"session"`
}

// startNode runs the application until the test is over.
func startNode(t *testing.T, s settings) *nodeApp {
	t.Helper()
	text, err := json.Marshal(s)
	testbed.Check(t, err)
	cmd := exec.Command(runtime.path, "app.js")
	cmd.Dir = runtime.app
	cmd.Env = append(os.Environ(), "HANDOVER="+string(text), "NODE_ENV=test")
	// The application ends when this closes, and so with this process in any case.
	stdin, err := cmd.StdinPipe()
	testbed.Check(t, err)
	stdout, err := cmd.StdoutPipe()
	testbed.Check(t, err)
	app := &nodeApp{side: side{name: "Node", client: newClient(t)}, errors: &output{}}
	cmd.Stderr = app.errors
	testbed.Check(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("Node ended with %v", err)
		}
		if t.Failed() {
			t.Logf("Node said:\n%s", app.errors)
		}
	})
	var started struct {
		Port int `json:"port"`
	}
	if err := json.NewDecoder(stdout).Decode(&started); err != nil {
		t.Fatalf("Node did not start: %v\n%s", err, app.errors)
	}
	app.url = fmt.Sprintf("http://127.0.0.1:%d", started.Port)
	return app
}

// call sends something else than operations.
func (a *nodeApp) call(t *testing.T, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	testbed.Check(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+path, bytes.NewReader(text))
	testbed.Check(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	testbed.Check(t, err)
	testbed.Check(t, resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("Node answered %s with %d", path, resp.StatusCode)
	}
}

// versions returns what the application runs on.
func (a *nodeApp) versions(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/versions", nil)
	testbed.Check(t, err)
	resp, err := a.client.Do(req)
	testbed.Check(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	testbed.Check(t, err)
	return strings.NewReplacer("{", "", "}", "", `"`, "", ":", " ", ",", ", ").Replace(string(text))
}

func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 50}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// An output keeps what a process has written so far. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	o.text = o.text[max(0, len(o.text)-10_000):]
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

package schema_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// A patient is a table in a database of its own that the CLI has migrated, and
// what doctor examines it with: the URL of a role that has the application's grants.
type patient struct {
	*testbed.Table
	binary, address, role string
}

// eachEngine runs a test with the CLI on one backend of each engine.
func eachEngine(t *testing.T, test func(t *testing.T, b testbed.Backend, binary string)) {
	t.Helper()
	onEngines(t, testbed.Backends[1:4], test)
}

// eachServerEngine is eachEngine without SQLite.
func eachServerEngine(t *testing.T, test func(t *testing.T, b testbed.Backend, binary string)) {
	t.Helper()
	onEngines(t, testbed.Backends[1:3], test)
}

func onEngines(t *testing.T, engines []testbed.Backend, test func(t *testing.T, b testbed.Backend, binary string)) {
	t.Helper()
	binary := testbed.Build(t, "./cmd/sessions")
	for _, b := range engines {
		t.Run(b.Name, func(t *testing.T) { test(t, b, binary) })
	}
}

func newPatient(t *testing.T, b testbed.Backend, binary string) *patient {
	t.Helper()
	address := "sqlite:" + filepath.Join(t.TempDir(), "sessions.db")
	if b.Dialect != migrations.SQLite {
		address = testbed.NewDatabase(t, servers.Engine(b.Name))
	}
	p := &patient{binary: binary, address: address}
	p.run(t, 0, "", "migrate", "up")
	c := b.ConnectTo(t, address)
	p.Table = &testbed.Table{Conns: c, Name: "sessions", Store: c.OpenStore(t, "sessions")}
	if b.Dialect != migrations.SQLite {
		p.role = "doctor_" + strings.ToLower(rand.Text()[:8])
		p.address = c.Role(t, p.role).URL
		p.Grant(t, testbed.GrantRuntime, p.role)
		if b.Dialect == migrations.PostgreSQL { // which before 15 lets everybody make tables there
			p.do(t, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
		}
	}
	return p
}

// run runs the CLI as the role, and fails unless it ends with this exit code and says that.
func (p *patient) run(t *testing.T, code int, want string, args ...string) testbed.Result {
	t.Helper()
	r := testbed.Command(t, []string{"DATABASE_URL=" + p.address}, p.binary, args...)
	if text := r.Stdout + r.Stderr; r.Code != code || !strings.Contains(text, want) {
		t.Errorf("sessions %s: exit code %d, want %d and %q in:\n%s", strings.Join(args, " "), r.Code, code, want, text)
	}
	return r
}

// do runs statements as the administrator.
func (p *patient) do(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := p.DB.ExecContext(t.Context(), strings.ReplaceAll(statement, "$ROLE", p.role))
		testbed.Check(t, err)
	}
}

// A finding is one of those that doctor --json prints.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Text   string `json:"text"`
	Advice string `json:"advice"`
}

func (f finding) String() string { return f.Check + " " + f.Status }

// diagnose returns the findings that are not ok, sorted, and all findings. The exit code must
// agree with them.
func (p *patient) diagnose(t *testing.T) (bad []string, all []finding) {
	t.Helper()
	r := testbed.Command(t, []string{"DATABASE_URL=" + p.address}, p.binary, "doctor", "--json")
	var d struct {
		Findings []finding `json:"findings"`
	}
	if err := json.Unmarshal([]byte(r.Stdout), &d); err != nil || r.Stderr != "" {
		t.Fatalf("doctor: %v\n%s%s", err, r.Stdout, r.Stderr)
	}
	code := 0
	for _, f := range d.Findings {
		if f.Status != "ok" {
			bad = append(bad, f.String())
		}
		code = max(code, map[string]int{"warning": 5, "error": 6}[f.Status])
	}
	if r.Code != code {
		t.Errorf("exit code %d, want %d for %v", r.Code, code, bad)
	}
	slices.Sort(bad)
	return bad, d.Findings
}

// wantBad is what diagnose should find, with what it finds because of the server under test.
func (p *patient) wantBad(want ...string) []string {
	if p.Dialect == migrations.PostgreSQL && testbed.PostgresPooler.Name != "" && !testbed.PostgresPooler.Prepares {
		want = append(want, "pooler warning")
	}
	slices.Sort(want)
	return want
}

// show logs doctor's report line by line.
func (p *patient) show(t *testing.T, code int) {
	t.Helper()
	r := p.run(t, code, "sessions at ", "doctor")
	for line := range strings.Lines(r.Stdout) {
		t.Log(strings.TrimSuffix(line, "\n"))
	}
}

// create makes a live session with this JSON.
func (p *patient) create(t *testing.T, data string) {
	t.Helper()
	r := testbed.NewRow(data)
	r.User = "u"
	testbed.Insert(t, p.Store, r)
}

func TestDoctorHealthy(t *testing.T) {
	eachEngine(t, func(t *testing.T, b testbed.Backend, binary string) {
		p := newPatient(t, b, binary)
		p.create(t, `{"a":1}`)
		want := p.wantBad()
		if b.Dialect != migrations.SQLite { // which has no roles
			want = p.wantBad("schema note") // the role need not read the version, and may not
		}
		if bad, _ := p.diagnose(t); !slices.Equal(bad, want) {
			t.Errorf("%v, want %v", bad, want)
		}
		p.show(t, len(p.wantBad())*5)

		// With leave to read the version nothing is left to say.
		if b.Dialect != migrations.SQLite {
			p.do(t, "GRANT SELECT ON sessions_schema_migrations TO $ROLE")
		}
		bad, all := p.diagnose(t)
		if !slices.Equal(bad, p.wantBad()) {
			t.Error(bad)
		}
		for _, text := range []string{"1 live session", "up to date, at version 4", "the right columns"} {
			if !slices.ContainsFunc(all, func(f finding) bool { return strings.Contains(f.Text, text) }) {
				t.Errorf("no %q in %v", text, all)
			}
		}
	})
}

// What is wrong with one database is all there, in one run.
func TestDoctorVerySick(t *testing.T) {
	dropIndex := map[migrations.Dialect]string{migrations.MySQL: "DROP INDEX sessions_reap_after_idx ON sessions"}
	eachEngine(t, func(t *testing.T, b testbed.Backend, binary string) {
		p := newPatient(t, b, binary)
		p.create(t, fmt.Sprintf("%q", strings.Repeat("x", 100_000)))
		p.Fill(t, 20)
		p.Age(t, 60*time.Hour)
		drop := dropIndex[b.Dialect]
		if drop == "" {
			drop = "DROP INDEX sessions_reap_after_idx"
		}
		p.do(t, drop, "CREATE INDEX extra ON sessions (expires_at)", "UPDATE sessions_schema_migrations SET version = 2")
		want := []string{"schema error", "indexes warning", "expired warning", "data note"} // a pending step makes the index
		if b.Dialect != migrations.SQLite {
			p.do(t, "GRANT SELECT ON sessions_schema_migrations TO $ROLE", "REVOKE INSERT ON sessions FROM $ROLE", "REVOKE DELETE ON sessions FROM $ROLE")
			want = append(want, "grants error")
		}
		if bad, _ := p.diagnose(t); !slices.Equal(bad, p.wantBad(want...)) {
			t.Errorf("%v, want %v", bad, want)
		}
		p.show(t, 6)
	})
}

// A spoil is one thing that is wrong.
type spoil struct {
	name       string
	statements []string // the administrator's; $ROLE is the application's
	parameters string   // of the database URL
	want       []string // all that is not ok, by check and status
	texts      []string // of one finding, its advice included
}

func (s spoil) test(t *testing.T, p *patient) {
	t.Helper()
	if s.parameters != "" {
		parameters := s.parameters
		if p.Dialect == migrations.MySQL {
			parameters = mysqlVariables(t, parameters)
		}
		p.address = testbed.WithParameters(p.address, parameters)
	}
	if p.Dialect != migrations.SQLite {
		p.do(t, "GRANT SELECT ON sessions_schema_migrations TO $ROLE")
	}
	p.do(t, s.statements...)
	bad, all := p.diagnose(t)
	if want := p.wantBad(slices.Clone(s.want)...); !slices.Equal(bad, want) {
		t.Errorf("%v, want %v", bad, want)
	}
	if !slices.ContainsFunc(all, func(f finding) bool {
		for _, text := range s.texts {
			if !strings.Contains(f.Text+"\n"+f.Advice, strings.ReplaceAll(text, "$ROLE", p.role)) {
				return false
			}
		}
		return true
	}) {
		t.Errorf("no finding has %q: %v", s.texts, all)
	}
}

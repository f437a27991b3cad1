package faults_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
	"github.com/sqlsessions/sessions/migrations"
)

// The wall clock of a Go program can't be set from outside. So package time is compiled with a
// few lines more: by as many seconds as the environment says, Now is off.
const (
	clockVariable = "SESSIONS_TEST_CLOCK"
	afterNow      = "	sec, nsec, mono := runtimeNow()\n"
	offNow        = afterNow + "	sec += off\n"
	offset        = `
var off = func() (n int64) {
	text, _ := syscall.Getenv("` + clockVariable + `")
	sign := int64(1)
	for _, r := range text {
		if r == '-' {
			sign = -1
		} else {
			n = n*10 + int64(r-'0')
		}
	}
	return sign * n
}()
`
)

func buildWithAnotherClock(t *testing.T) (binary string) {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	testbed.Check(t, err)
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(original)
	testbed.Check(t, err)
	changed := strings.Replace(string(text), afterNow, offNow, 1)
	changed = strings.Replace(changed, "import (\n", "import (\n\t\"syscall\"\n", 1) + offset
	if !strings.Contains(changed, offNow) {
		t.Fatal("time.Now is another function than this test knows")
	}
	dir := t.TempDir()
	replacement, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {original: replacement}})
	testbed.Check(t, err)
	testbed.Check(t, os.WriteFile(replacement, []byte(changed), 0o600))
	testbed.Check(t, os.WriteFile(overlay, list, 0o600))
	binary = filepath.Join(dir, "clockapp")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", binary, "./clockapp").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// An application whose clock is off by an hour or a year, to either side (F17), beside one whose
// clock is right, on one table: no session ends early, none stays for longer, a revocation
// beats a sign-in and no later one, and the reaper deletes what is dead.
func TestTheApplicationsClockIsOff(t *testing.T) {
	if testing.Short() { // the application's clock is the same with any server
		return
	}
	binary := buildWithAnotherClock(t)
	for _, i := range []int{testbed.PGXPool, testbed.MySQL} {
		b := testbed.Backends[i]
		t.Run(b.Name, func(t *testing.T) {
			direct := b.Connect(t)
			migrated := direct.NewTable(t)
			for name, off := range map[string]time.Duration{
				"an hour ahead": time.Hour, "an hour behind": -time.Hour, "a year ahead": 365 * 24 * time.Hour, "a year behind": -365 * 24 * time.Hour,
			} {
				t.Run(name, func(t *testing.T) {
					tab := migrated.Another(t)
					testClock(t, testbed.NewApp(t, tab), startClockApp(t, binary, tab, off), off)
				})
			}
		})
	}
}

func startClockApp(t *testing.T, binary string, tab *testbed.Table, off time.Duration) *testbed.App {
	t.Helper()
	address, err := testbed.PostgresPooler.ForPgx(tab.URL), error(nil)
	if tab.Dialect == migrations.MySQL {
		address, err = servers.MySQLDSN(tab.URL)
	}
	testbed.Check(t, err)
	cmd := exec.Command(binary, string(tab.Dialect), address, tab.Name, string(testbed.Secret))
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", clockVariable, int64(off.Seconds())))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	testbed.Check(t, err)
	stdout, err := cmd.StdoutPipe()
	testbed.Check(t, err)
	testbed.Check(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		testbed.Check(t, cmd.Wait())
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	testbed.Check(t, err)
	return &testbed.App{Server: &httptest.Server{URL: strings.TrimSpace(line)}}
}

func testClock(t *testing.T, right, wrong *testbed.App, off time.Duration) {
	user := wrong.Browser(t)
	clock, err := strconv.ParseInt(user.OK("/clock"), 10, 64)
	testbed.Check(t, err)
	if is := time.Duration(clock-time.Now().Unix()) * time.Second; (is - off).Abs() > 10*time.Minute {
		t.Fatalf("the clock is off by %v, and not by %v", is, off)
	}
	is := func(b *testbed.Browser, path, want string) {
		t.Helper()
		if got := b.OK(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	both := func(b *testbed.Browser, path, want string) {
		t.Helper()
		is(b.On(right), path, want)
		is(b.On(wrong), path, want)
	}
	user.OK("/login?u=alice")
	is(user, "/fresh", "true")
	both(user, "/user", "alice")
	user.On(right).OK("/set?v=kept")
	is(user, "/read", "kept")
	user.On(wrong).OK("/regenerate")
	both(user, "/user", "alice")
	right.Age(t, 23*time.Hour) // the idle timeout is a day
	is(user, "/fresh", "false")
	both(user, "/user", "alice")
	right.Age(t, 25*time.Hour)
	both(user, "/user", "")

	// Endings, also of a sign-in that is under way.
	other := wrong.Browser(t)
	for _, b := range []*testbed.Browser{user, other} {
		b.On(wrong).OK("/login?u=bob")
	}
	is(user, "/everywhere", "1 <nil>")
	both(other, "/user", "")
	both(user, "/user", "bob")
	late := wrong.Browser(t)
	if got := late.Fetch("/late?u=carol"); got.StatusCode != http.StatusConflict {
		t.Errorf("a sign-in that was revoked was answered %d", got.StatusCode)
	}
	signIn(t, right.Table, late, "carol") // which begins after it
	both(late, "/user", "carol")

	// The limit is two, and the oldest ends.
	first := user.Clone(right)
	first.Base = user.Base
	for range 2 {
		wrong.Browser(t).OK("/login?u=bob")
	}
	both(first, "/user", "")
	late.On(wrong).OK("/logout")
	both(late, "/user", "")

	last := wrong.Browser(t)
	last.OK("/login?u=dave")
	right.Fill(t, expired)
	is(last, "/sweep", strconv.Itoa(expired+1)+" <nil>") // alice's was a day past its time
	both(last, "/user", "dave")
}

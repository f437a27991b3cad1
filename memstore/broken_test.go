package memstore_test

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/broken"
	"github.com/sqlsessions/sessions/memstore"
	"github.com/sqlsessions/sessions/storetest"
)

// breakWith names the kind of store that TestBrokenStore runs the suite on, in a process of
// its own, where it has to fail.
const breakWith = "SESSIONS_TEST_BROKEN"

// runBroken runs the suite on a store that can fail, wrapped in another.
func runBroken(t *testing.T, wrap func(driver.Store) driver.Store) {
	t.Helper()
	var memory *memstore.Store
	var lossy *broken.Lossy
	storetest.Run(t, storetest.Harness{
		New: func(*testing.T) driver.Store {
			memory = memstore.New().KeepTime()
			lossy = broken.NewLossy(memory)
			return wrap(lossy)
		},
		Again: func(*testing.T, driver.Store) driver.Store { return wrap(memory) },
		Age:   func(_ *testing.T, _ driver.Store, d time.Duration) { memory.Age(d) },
		Break: func(*testing.T, driver.Store) { lossy.Close() },
		Fail: func(_ *testing.T, _ driver.Store, fault storetest.Fault, n int) func() bool {
			lossy.Lose(fault == storetest.LostAnswer, n)
			return lossy.Lost
		},
		Lacks: map[string]string{
			"a row can't have a verifier that is not a SHA-256": "package express keeps the session IDs of Express there",
		},
	})
}

// TestBrokenStore shows that the suite notices each way to break the contract, and says
// which rule does.
func TestBrokenStore(t *testing.T) {
	t.Parallel()
	if name, set := os.LookupEnv(breakWith); set {
		wrap := func(s driver.Store) driver.Store { return s }
		for _, kind := range broken.Kinds() {
			if kind.Name == name {
				wrap = kind.Wrap
			}
		}
		runBroken(t, wrap)
		return
	}
	kinds := append(broken.Kinds(), broken.Kind{Name: "none"})
	first := make([]string, len(kinds))
	var group sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, kind := range kinds {
		group.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			first[i] = firstFailure(t, kind.Name)
		})
	}
	group.Wait()
	for i, kind := range kinds {
		switch {
		case (first[i] == "") != (kind.Name == "none"):
			t.Errorf("%q, a store that breaks %q, fails the rule %q", kind.Name, kind.Promise, first[i])
		default:
			t.Logf("%s: %s", kind.Name, first[i])
		}
	}
}

var failure = regexp.MustCompile(`--- FAIL: TestBrokenStore/(.*) \(`)

// firstFailure runs the suite on a kind of store until a rule fails, and returns that rule.
func firstFailure(t *testing.T, kind string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Error(err)
		return ""
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestBrokenStore$", "-test.failfast", "-test.v")
	cmd.Env = append(os.Environ(), breakWith+"="+kind)
	out, err := cmd.CombinedOutput()
	found := failure.FindSubmatch(out)
	if (err == nil) != (found == nil) {
		t.Errorf("%s: %v\n%s", kind, err, out)
	}
	if found == nil {
		return ""
	}
	return strings.ReplaceAll(string(found[1]), "_", " ")
}

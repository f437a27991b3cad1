package requests_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// TestOneByOne runs with batches turned off what elsewhere runs with them. All of
// these tests run one after the other.
func TestOneByOne(t *testing.T) {
	testbed.OneByOne = true
	defer func() { testbed.OneByOne = false }()
	for name, test := range map[string]func(*testing.T){
		"Store":         testStore,
		"Redirect":      TestRedirectFindsWhatWasStored,
		"Statements":    TestStatementsPerRequest,
		"LogOut":        TestLogOutEverywhere,
		"Restart":       TestStillLoggedInAfterRestart,
		"Limits":        TestLimitsHoldWithoutReaper,
		"AddKeys":       TestParallelRequestsAddKeys,
		"OneCounter":    TestParallelRequestsUpdateOneCounter,
		"SlowRequest":   TestSlowRequestDoesNotBringBack,
		"LogoutStorm":   TestLogoutStorm,
		"Outage":        TestDatabaseGoesAwayAndComesBack,
		"OneConnection": TestOneConnectionIsEnough,
		"HangsUp":       TestClientHangsUp,
	} {
		t.Run(name, test)
	}
	testbed.EachServer(t, testOneStatementEach)
}

func testStore(t *testing.T) {
	testbed.EachEngine(t, func(t *testing.T, b testbed.Backend) { testbed.RunSuite(t, b.Connect(t)) })
}

// testOneStatementEach shows that the option did what its name says.
func testOneStatementEach(t *testing.T, b testbed.Backend) {
	const n = 5
	tab := b.ConnectSized(t, "", 1).NewTable(t)
	row := testbed.Insert(t, tab.Store, testbed.NewRow(`{}`))
	load := func() {
		if _, err := tab.Store.Load(t.Context(), row.Ref); err != nil {
			t.Error(err)
		}
	}
	load() // prepares
	release := tab.TakeConnection(t)
	var wait sync.WaitGroup
	for range n {
		wait.Go(load)
	}
	testbed.Await(t, "the loads wait for the connection", func() bool { return inStack("native.(*store).Load(") >= n })
	before := tab.Statements.Load()
	release()
	wait.Wait()
	if statements := tab.Statements.Load() - before; statements != n {
		t.Errorf("%d loads took %d statements", n, statements)
	}
}

// inStack counts the goroutines that are in a function.
func inStack(function string) (n int) {
	stacks := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(stack, function) {
			n++
		}
	}
	return n
}

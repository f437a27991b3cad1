package testbed

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Times is how often a test repeats what may go wrong only now and then: few times, and as
// many more as SESSIONS_TEST_TIMES says.
func Times(few int) int {
	if more, err := strconv.Atoi(os.Getenv("SESSIONS_TEST_TIMES")); err == nil {
		return few * max(more, 1)
	}
	return few
}

// Await waits for a condition that comes true by itself. Two minutes are more than any takes,
// also on a slow machine.
func Await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within two minutes: %s\n%s", what, Stacks())
		}
	}
}

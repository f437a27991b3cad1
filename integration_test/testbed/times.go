package testbed

import (
	"os"
	"strconv"
)

// Times is how often a test repeats what may go wrong only now and then: few times, and as
// many more as SESSIONS_TEST_TIMES says.
func Times(few int) int {
	if more, err := strconv.Atoi(os.Getenv("SESSIONS_TEST_TIMES")); err == nil {
		return few * max(more, 1)
	}
	return few
}

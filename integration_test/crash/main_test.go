// Package crash_test kills database servers and applications under load, again and again, and
// looks for what they had acknowledged. SESSIONS_TEST_KILLS says how often.
package crash_test

import (
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

func TestMain(m *testing.M) { testbed.MainWithoutServers(m) }

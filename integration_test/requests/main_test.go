// Package requests_test runs requests against real servers: what they read and save, in
// parallel, when they are cut off, forged or meet an outage.
package requests_test

import (
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

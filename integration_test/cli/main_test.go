// Package cli_test runs the command line program and the examples as their users do.
package cli_test

import (
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

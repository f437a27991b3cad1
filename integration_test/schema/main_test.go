// Package schema_test is about the tables: migrations, the grants of roles, and the
// doctor and the other commands that examine them.
package schema_test

import (
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

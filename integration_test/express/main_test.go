// Package express_test reads and writes the tables of connect-pg-simple and
// express-mysql-session.
package express_test

import (
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// Package bill_test measures what endings cost the database.
package bill_test

import (
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

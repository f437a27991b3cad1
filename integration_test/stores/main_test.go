// Package stores_test tests the stores on every backend: the conformance suite in every mode
// of the drivers, rows of other formats, batches and the reaper.
package stores_test

import (
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

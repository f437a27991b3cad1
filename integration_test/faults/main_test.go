// Package faults_test spoils the database of a running application and fills its disk.
package faults_test

import (
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// Package sqlite_test is about what only SQLite has: locks, a second process on the
// file, damage to it. It needs no server.
package sqlite_test

import (
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

func TestMain(m *testing.M) { testbed.MainWithoutServers(m) }

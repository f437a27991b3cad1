// Package cluster_test runs sessions on databases of several servers, and kills
// one of them while requests go on.
package cluster_test

import (
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

func TestMain(m *testing.M) { testbed.MainWithoutServers(m) }

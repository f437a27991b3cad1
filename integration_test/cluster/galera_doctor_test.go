package cluster_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// The CLI says when a connection may see less than was answered through another node.
func (g galera) testDoctor(t *testing.T) {
	table := g.newTable(t)
	root, err := filepath.Abs("../..")
	testbed.Check(t, err)
	for wait, want := range map[string]string{
		"0": "wsrep_sync_wait=0: it may not see yet what was saved through another node",
		"1": "wsrep_sync_wait=1: it may not see yet what was saved",
		"3": "waits for what was saved through others (wsrep_sync_wait=3)",
	} {
		url, _, _ := strings.Cut(g.Nodes[0].URL(), "?")
		cmd := exec.CommandContext(t.Context(), "go", "run", "./cmd/sessions", "doctor", "--table", table)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"), "DATABASE_URL="+url+"?tls=false&wsrep_sync_wait="+wait)
		out, _ := cmd.CombinedOutput() // it ends with what it thinks of the rest, too
		if !strings.Contains(string(out), want) {
			t.Errorf("wsrep_sync_wait=%s: no %q in\n%s", wait, want, out)
		}
	}
}

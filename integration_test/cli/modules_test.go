package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// What a store costs the application that imports it: the modules in its graph.
func TestModuleGraphOfAnImporter(t *testing.T) {
	root, err := filepath.Abs("../..")
	testbed.Check(t, err)
	for store, limit := range map[string]int{"pgstore": 20, "mysqlstore": 11, "sqlitestore": 11} {
		dir := t.TempDir()
		write := func(name, text string) { testbed.Check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)) }
		write("go.mod", "module example.com/app\n\ngo 1.25.11\n\nrequire github.com/sqlsessions/sessions v0.1.0\n\nreplace github.com/sqlsessions/sessions => "+root+"\n")
		write("main.go", "package main\n\nimport _ \"github.com/sqlsessions/sessions/"+store+"\"\n\nfunc main() {}\n")
		run := func(args ...string) string {
			cmd := exec.CommandContext(t.Context(), "go", args...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
			}
			return string(out)
		}
		run("mod", "tidy")
		modules := strings.Fields(strings.TrimSpace(run("list", "-m", "-f", "{{.Path}}", "all")))
		t.Logf("%s: %d modules", store, len(modules))
		if len(modules) > limit {
			t.Errorf("an application that imports %s has %d modules in its graph, want %d at most:\n%s", store, len(modules), limit, strings.Join(modules, "\n"))
		}
		for _, heavy := range []string{"testcontainers", "cobra", "modernc.org"} {
			if list := strings.Join(modules, "\n"); strings.Contains(list, heavy) {
				t.Errorf("%s brings %s", store, heavy)
			}
		}
	}
}

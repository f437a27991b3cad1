package sessions_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sqlsessions/sessions"

func goTool(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return strings.Fields(string(out))
}

func ofModule(pkg string) bool { return pkg == module || strings.HasPrefix(pkg, module+"/") }

func TestTheRootImportsTheStandardLibraryAlone(t *testing.T) {
	t.Parallel()
	deps := goTool(t, "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	slices.Sort(deps)
	if !slices.Equal(deps, []string{
		module, module + "/driver", module + "/internal/cookierules", module + "/internal/deadline", module + "/internal/document",
		module + "/internal/fate",
		module + "/internal/forwarded", module + "/internal/gate", module + "/internal/jsontext",
		module + "/internal/maxage", module + "/internal/names", module + "/internal/ops", module + "/internal/quoted",
		module + "/internal/reply", module + "/internal/rows", module + "/internal/seldom", module + "/internal/signin",
		module + "/internal/token", module + "/internal/uuid",
		module + "/internal/watch", module + "/internal/wire", module + "/internal/within", module + "/observe",
	}) {
		t.Errorf("the root depends on %v", deps)
	}
}

// Linking "testing" adds its flags to every program.
func TestNoPackageButStoretestImportsTesting(t *testing.T) {
	t.Parallel()
	packages := goTool(t, "list", "-f", "{{.ImportPath}}:{{join .Imports \",\"}}", "./...")
	checked := 0
	for _, line := range packages {
		path, imports, _ := strings.Cut(line, ":")
		if !ofModule(path) {
			t.Errorf("%s is no package of this module", path)
		}
		if path == module+"/storetest" {
			continue
		}
		checked++
		for imported := range strings.SplitSeq(imports, ",") {
			if imported == "testing" || strings.HasPrefix(imported, "testing/") || imported == module+"/storetest" {
				t.Errorf("%s imports %s", path, imported)
			}
		}
	}
	if checked < 5 {
		t.Errorf("only %d packages were listed: %v", checked, packages)
	}
}

// Stores and their suite know the contract and not the root, the root knows no store,
// and no package knows a command.
func TestImportArrows(t *testing.T) {
	t.Parallel()
	for _, line := range goTool(t, "list", "-f", "{{.ImportPath}}:{{join .Imports \",\"}}", "./...") {
		path, imports, _ := strings.Cut(line, ":")
		for imported := range strings.SplitSeq(imports, ",") {
			if !ofModule(imported) {
				continue
			}
			store := strings.HasSuffix(path, "store") || strings.HasSuffix(path, "/storetest") ||
				strings.HasSuffix(path, "/pgsimple") || strings.HasSuffix(path, "/mysqlsession")
			inner := path == module+"/driver" || strings.HasPrefix(path, module+"/internal/")
			short := strings.TrimPrefix(imported, module+"/")
			if imported == module {
				if store || inner {
					t.Errorf("%s imports the root", path)
				}
				continue
			}
			if strings.HasPrefix(short, "cmd/") || strings.HasPrefix(short, "examples") ||
				path == module && short != "driver" && short != "observe" && !strings.HasPrefix(short, "internal/") ||
				store && strings.HasSuffix(short, "store") {
				t.Errorf("%s imports %s", path, imported)
			}
		}
	}
}

func TestTheModuleCanBeRequired(t *testing.T) {
	t.Parallel()
	var mod struct {
		Module struct {
			Path string `json:"Path"`
		} `json:"Module"`
		Replace []any `json:"Replace"`
		Exclude []any `json:"Exclude"`
	}
	if err := json.Unmarshal([]byte(strings.Join(goTool(t, "mod", "edit", "-json"), " ")), &mod); err != nil {
		t.Fatal(err)
	}
	if mod.Module.Path != module || mod.Replace != nil || mod.Exclude != nil {
		t.Errorf("go.mod: module %q, replace %v, exclude %v", mod.Module.Path, mod.Replace, mod.Exclude)
	}
}

// Ids and signatures come from crypto/rand, and are compared in constant time.
func TestSecretsAreMadeAndComparedWithCare(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("internal/token/token.go")
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	if !strings.Contains(text, `"crypto/rand"`) || strings.Contains(text, "math/rand") {
		t.Error("token.go does not take its random bytes from crypto/rand alone")
	}
	if strings.Contains(text, "bytes.Equal") || strings.Contains(text, "bytes.Compare") || !strings.Contains(text, "hmac.Equal(") ||
		regexp.MustCompile(`\b(sum|want|mac)(\[:\])? (==|!=) `).MatchString(text) {
		t.Error("token.go compares a signature in variable time")
	}
}

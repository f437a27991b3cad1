package structure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "github.com/sqlsessions/sessions"

// A pkg is one public package of the module, with its types.
type pkg struct {
	path  string
	fset  *token.FileSet
	files []*ast.File
	types *types.Package
	info  *types.Info
}

// load returns the public packages of the module, the root first.
func load() ([]*pkg, error) {
	// The compiler has the types of what is imported in its cache.
	cmd := exec.CommandContext(context.Background(), "go", "list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export,Name", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	type listed struct {
		ImportPath string   `json:"ImportPath"`
		Dir        string   `json:"Dir"`
		Export     string   `json:"Export"`
		Name       string   `json:"Name"`
		GoFiles    []string `json:"GoFiles"`
	}
	export := map[string]string{}
	var public []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		export[p.ImportPath] = p.Export
		ours := p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/")
		if ours && p.Name != "main" && !strings.Contains(p.ImportPath, "/internal/") {
			public = append(public, p)
		}
	}
	fset := token.NewFileSet()
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(export[path]) }
	imports := importer.ForCompiler(fset, "gc", lookup)
	var packages []*pkg
	for _, l := range public {
		p := &pkg{path: l.ImportPath, fset: fset, info: &types.Info{Uses: map[*ast.Ident]types.Object{}}}
		for _, name := range l.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			p.files = append(p.files, file)
		}
		config := types.Config{Importer: imports}
		if p.types, err = config.Check(l.ImportPath, fset, p.files, p.info); err != nil {
			return nil, err
		}
		if l.ImportPath == module {
			packages = append([]*pkg{p}, packages...)
		} else {
			packages = append(packages, p)
		}
	}
	return packages, nil
}

package structure

import (
	"fmt"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// order lists the files of the root package from the top to the bottom. A file
// should use names of files below it alone.
var order = []string{
	// What operators and other packages of this module call.
	"admin.go", "hooks.go", "cleanup.go",
	// A request, from the outside to the inside.
	"login.go", "sessions.go", "response.go", "key.go", "save.go", "predecessor.go", "session.go", "together.go", "commit.go",
	// What it works with.
	"core.go", "seal.go", "state.go",
	// How it looks outside the process.
	"native.go",
	// What everything uses.
	"options.go", "options_cookie.go", "errors.go",
}

// A node is one file and what it uses of the others.
type node struct {
	name  string
	lines int
	uses  map[string][]string // names by file
}

// arrows returns the files in their order.
func arrows(p *pkg) []node {
	byFile := map[string]map[string]map[string]bool{}
	nodes := map[string]node{}
	place := func(pos types.Object) string { return filepath.Base(p.fset.Position(pos.Pos()).Filename) }
	for _, file := range p.files {
		at := p.fset.File(file.Pos())
		name := filepath.Base(at.Name())
		nodes[name] = node{name: name, lines: at.LineCount(), uses: map[string][]string{}}
		byFile[name] = map[string]map[string]bool{}
	}
	for ident, used := range p.info.Uses {
		if used.Pkg() != p.types || !used.Pos().IsValid() || !packageLevel(used) {
			continue
		}
		from, to := filepath.Base(p.fset.Position(ident.Pos()).Filename), place(used)
		if from == to {
			continue
		}
		if byFile[from][to] == nil {
			byFile[from][to] = map[string]bool{}
		}
		byFile[from][to][used.Name()] = true
	}
	for from, tos := range byFile {
		for to, names := range tos {
			nodes[from].uses[to] = slices.Sorted(maps.Keys(names))
		}
	}
	return slices.SortedFunc(maps.Values(nodes), func(a, b node) int { return rank(a.name) - rank(b.name) })
}

// packageLevel leaves out parameters and local variables.
func packageLevel(o types.Object) bool {
	if v, ok := o.(*types.Var); ok && v.IsField() {
		return true
	}
	if f, ok := o.(*types.Func); ok && f.Signature().Recv() != nil {
		return true
	}
	return o.Parent() == o.Pkg().Scope()
}

func rank(name string) int { return slices.Index(order, name) }

// back reports whether a use runs back up.
func back(from, to string) bool { return rank(to) < rank(from) }

// table is Markdown. What runs back up is bold.
func table(nodes []node) string {
	var b strings.Builder
	b.WriteString("| file | lines | uses |\n| --- | ---: | --- |\n")
	for _, n := range nodes {
		var uses []string
		for _, to := range slices.SortedFunc(maps.Keys(n.uses), func(a, b string) int { return rank(a) - rank(b) }) {
			text := fmt.Sprintf("%s (%s)", to, strings.Join(n.uses[to], ", "))
			if back(n.name, to) {
				text = "**" + text + "**"
			}
			uses = append(uses, text)
		}
		fmt.Fprintf(&b, "| %s | %d | %s |\n", n.name, n.lines, strings.Join(uses, "; "))
	}
	return b.String()
}

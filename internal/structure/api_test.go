package structure

import (
	"fmt"
	"go/types"
	"slices"
	"strings"
)

// listing has a line for each exported name of the public packages: constants,
// variables, functions, types, fields and methods.
func listing(packages []*pkg) string {
	var b strings.Builder
	for _, p := range packages {
		lines := names(p.types)
		fmt.Fprintf(&b, "# %s: %d\n", p.path, len(lines))
		for _, line := range lines {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

func names(p *types.Package) (lines []string) {
	short := func(other *types.Package) string {
		if other == p {
			return ""
		}
		return other.Name()
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, name := range p.Scope().Names() {
		o := p.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		t, isType := o.(*types.TypeName)
		if !isType {
			add("%s", types.ObjectString(o, short))
			continue
		}
		underlying := types.TypeString(t.Type().Underlying(), short)
		switch t.Type().Underlying().(type) {
		case *types.Struct:
			underlying = "struct"
		case *types.Interface:
			underlying = "interface"
		}
		if t.IsAlias() {
			add("type %s = %s", name, types.TypeString(types.Unalias(t.Type()), short))
			continue
		}
		named := t.Type().(*types.Named)
		add("type %s%s %s", name, parameters(named, short), underlying)
		switch u := named.Underlying().(type) {
		case *types.Struct:
			for f := range u.Fields() {
				if f.Exported() {
					add("field %s.%s %s", name, f.Name(), types.TypeString(f.Type(), short))
				}
			}
		case *types.Interface:
			for m := range u.Methods() {
				if m.Exported() {
					add("method %s.%s%s", name, m.Name(), strings.TrimPrefix(types.TypeString(m.Type(), short), "func"))
				}
			}
		}
		for m := range named.Methods() {
			if m.Exported() {
				add("%s", types.ObjectString(m, short))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func parameters(t *types.Named, short types.Qualifier) string {
	var list []string
	for p := range t.TypeParams().TypeParams() {
		list = append(list, p.Obj().Name()+" "+types.TypeString(p.Constraint(), short))
	}
	if list == nil {
		return ""
	}
	return "[" + strings.Join(list, ", ") + "]"
}

package express

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A conformanceCase is one of the test cases of express-session 1.19.0, by the line
// that it begins on in test/session.js or test/cookie.js.
type conformanceCase struct {
	file string
	line int
	kind caseKind
	by   string // the test here that covers it, or why none can
}

type caseKind byte

const (
	asThere caseKind = 'Y'
	adapted caseKind = 'A' // to Go's idiom, or to a deliberate difference, which the test states
	ofNode  caseKind = 'N'
)

var covered = struct {
	sync.Mutex
	by map[string]string
}{by: map[string]string{}}

func caseName(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }

// Covers says which upstream cases a test stands for, once it has run to its end.
func Covers(t *testing.T, file string, lines ...int) {
	t.Helper()
	t.Cleanup(func() {
		if t.Skipped() {
			return
		}
		covered.Lock()
		defer covered.Unlock()
		name, _, _ := strings.Cut(t.Name(), "/")
		for _, line := range lines {
			covered.by[caseName(file, line)] = name
		}
	})
}

// uncovered returns what is wrong with the list after all tests have run.
func uncovered() []string {
	covered.Lock()
	defer covered.Unlock()
	var wrong []string
	listed := map[string]bool{}
	for _, c := range conformanceList {
		name := caseName(c.file, c.line)
		listed[name] = true
		got, ran := covered.by[name]
		switch {
		case c.kind == ofNode && ran:
			wrong = append(wrong, fmt.Sprintf("%s: listed as Node's alone, but %s covers it", name, got))
		case c.kind != ofNode && got != c.by:
			wrong = append(wrong, fmt.Sprintf("%s: the list says %s, it was covered by %q", name, c.by, got))
		}
	}
	for name, by := range covered.by {
		if !listed[name] {
			wrong = append(wrong, fmt.Sprintf("%s: %s covers it, and the list has no such case", name, by))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// conformed is asked by TestMain. Of a part of the tests it says nothing.
func conformed() bool {
	for _, part := range []string{"run", "skip", "list", "fuzz", "bench"} {
		if f := flag.Lookup("test." + part); f != nil && f.Value.String() != "" {
			return true
		}
	}
	wrong := uncovered()
	for _, line := range wrong {
		fmt.Fprintln(os.Stderr, "conformance:", line)
	}
	return len(wrong) == 0
}

// The numbers are those of upstream's suite at 1.19.0. That each case was covered
// is checked when all tests have run, by TestMain.
func TestConformanceListIsComplete(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	counts := map[string]int{}
	for _, c := range conformanceList {
		name := caseName(c.file, c.line)
		if seen[name] || c.by == "" {
			t.Errorf("%s: twice, or by nothing", name)
		}
		seen[name] = true
		counts[c.file+string(c.kind)]++
	}
	for what, want := range map[string]int{
		"session.jsY": 101, "session.jsA": 27, "session.jsN": 14,
		"cookie.jsY": 13, "cookie.jsA": 1, "cookie.jsN": 4,
	} {
		if counts[what] != want {
			t.Errorf("%d cases of %s, want %d", counts[what], what, want)
		}
	}
	if len(conformanceList) != 160 {
		t.Errorf("%d cases, want 160", len(conformanceList))
	}
}

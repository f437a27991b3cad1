package structure

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const root = "../.."

var update = flag.Bool("update", false, "write the public API to api.txt")

// What the root package may be, so that it can still be read in one sitting.
const (
	maxFiles    = 20
	maxLines    = 3200
	maxExported = 135
	maxFile     = 320 // lines, of any file in the repository
	maxBack     = 0   // pairs of files of which one uses names of the other, which is above it
)

var loadOnce = sync.OnceValues(load)

func loaded(t *testing.T) []*pkg {
	t.Helper()
	packages, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func TestTheRootStaysSmall(t *testing.T) {
	t.Parallel()
	p := loaded(t)[0]
	nodes, lines, backward := arrows(p), 0, 0
	for _, n := range nodes {
		lines += n.lines
		if !slices.Contains(order, n.name) {
			t.Errorf("%s has no place in the order of files in arrows_test.go", n.name)
		}
		for to := range n.uses {
			if back(n.name, to) {
				backward++
			}
		}
	}
	if len(nodes) != len(order) {
		t.Errorf("%d files, and %d in the order of files in arrows_test.go", len(nodes), len(order))
	}
	exported := len(names(p.types))
	t.Logf("which file uses which names of which other; what runs back up is bold:\n%s", table(nodes))
	t.Logf("%d files, %d lines, %d exported names, %d arrows that run back up", len(nodes), lines, exported, backward)
	if len(nodes) > maxFiles || lines > maxLines || exported > maxExported || backward > maxBack {
		t.Errorf("at most %d files, %d lines, %d exported names and %d arrows that run back up", maxFiles, maxLines, maxExported, maxBack)
	}
}

func TestNoFileIsTooLong(t *testing.T) {
	t.Parallel()
	files := 0
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if n := strings.Count(string(text), "\n"); n > maxFile {
			t.Errorf("%s has %d lines; split it at %d", path, n, maxFile)
		}
		return err
	})
	if err != nil || files < 100 {
		t.Errorf("%d files were read: %v", files, err)
	}
}

// A change of the public API is meant, and shows in the review.
func TestTheAPIIsTheOneOnRecord(t *testing.T) {
	t.Parallel()
	record := filepath.Join(root, "api.txt")
	api := listing(loaded(t))
	if *update {
		if err := os.WriteFile(record, []byte(api), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	old, now := strings.Split(string(want), "\n"), strings.Split(api, "\n")
	for _, line := range now {
		if !slices.Contains(old, line) {
			t.Errorf("new: %s", line)
		}
	}
	for _, line := range old {
		if !slices.Contains(now, line) {
			t.Errorf("gone: %s", line)
		}
	}
	if t.Failed() {
		t.Error("if that is meant, run: go test ./internal/structure -update")
	}
}

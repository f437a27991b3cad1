// Command mutation breaks chosen lines of this repository, one at a time in a copy of it,
// and runs the tests that have to see it. It fails if one does not, and with -check only if a
// line is not there any more. Arguments choose mutations by words of their descriptions.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

var compile bool

func main() {
	check := flag.Bool("check", false, "only look whether the lines are there")
	flag.BoolVar(&compile, "compile", false, "only see whether each broken line compiles")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *check, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, check bool, words []string) error {
	if err := inPlace("."); err != nil || check {
		return err
	}
	dir, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := copyTree(ctx, dir); err != nil {
		return err
	}
	if !slices.ContainsFunc(mutations, func(m mutation) bool { return m.chosen(words) }) {
		return fmt.Errorf("no mutation has all of these words: %s", strings.Join(words, " "))
	}
	var survivors []error
	green := map[string]bool{} // tests that pass while nothing is broken
	for i := range mutations {
		m := &mutations[i]
		if !m.chosen(words) {
			continue
		}
		if !green[m.tests] && !compile {
			if out, err := m.test(ctx, dir); err != nil {
				return fmt.Errorf("%s fails although nothing is broken: %w\n%s", m.tests, err, out)
			}
			green[m.tests] = true
		}
		start := time.Now()
		said, err := m.try(ctx, dir)
		fmt.Printf("%-50s %5.1fs  %s\n    %s\n", m.file, time.Since(start).Seconds(), said, m.why)
		if err != nil {
			survivors = append(survivors, err)
		}
	}
	return errors.Join(survivors...)
}

// inPlace returns an error for each text that is not in its file exactly once.
func inPlace(dir string) error {
	var wrong []error
	for _, m := range mutations {
		text, err := os.ReadFile(filepath.Join(dir, m.file))
		if n := strings.Count(string(text), m.old); err != nil || n != 1 {
			wrong = append(wrong, fmt.Errorf("%s has the text %d times: %q", m.file, n, m.old))
		}
	}
	return errors.Join(wrong...)
}

func (m *mutation) chosen(words []string) bool {
	for _, word := range words {
		if !strings.Contains(m.file+" "+m.why, word) {
			return false
		}
	}
	return true
}

// copyTree copies the files that git knows, or would know.
func copyTree(ctx context.Context, dir string) error {
	out, err := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		info, statErr := os.Stat(name)
		if err = errors.Join(err, statErr, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o750)); err != nil {
			return err
		}
		if err = os.WriteFile(filepath.Join(dir, name), data, info.Mode()); err != nil {
			return err
		}
	}
	return nil
}

var failed = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)

// try breaks the line, runs the tests and mends it. The error says that none failed.
func (m *mutation) try(ctx context.Context, dir string) (said string, err error) {
	path := filepath.Join(dir, m.file)
	good, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if err = os.WriteFile(path, bytes.Replace(good, []byte(m.old), []byte(m.broken), 1), 0o600); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, good, 0o600)) }()
	if compile {
		cmd := exec.CommandContext(ctx, "go", "build", "./...")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return "DOES NOT COMPILE", fmt.Errorf("%s: %w\n%s", m.file, err, out)
		}
		return "compiles", nil
	}
	out, testErr := m.test(ctx, dir)
	names := failed.FindAllStringSubmatch(out, -1)
	switch {
	case testErr == nil && m.survives != "":
		return "survives: " + m.survives, nil
	case testErr == nil:
		return "SURVIVES", fmt.Errorf("%s: no test sees that %s", m.file, m.why)
	case len(names) > 0 && m.survives != "":
		return "SEEN", fmt.Errorf("%s: %s sees now that %s; take the reason out", m.file, names[len(names)-1][1], m.why)
	case len(names) > 0:
		return "seen by " + names[len(names)-1][1], nil
	case strings.Contains(out, "panic: ") || strings.Contains(out, "test timed out"):
		return "seen by a panic", nil
	}
	return "FAILED", fmt.Errorf("%s: no test ran: %w\n%s", m.file, testErr, out)
}

// test runs the tests. They see a mutation by which they never end, too.
func (m *mutation) test(ctx context.Context, dir string) (string, error) {
	kind, what, nested := strings.Cut(m.tests, ": ")
	if !nested {
		kind, what = "", m.tests
	}
	// The test of the table sees each line that is broken, and is none of those meant here.
	args := append([]string{"go", "test", "-count", "1", "-vet", "off", "-failfast", "-timeout", "5m", "-skip", "^TestTheLinesAreThere$"}, strings.Fields(what)...)
	if kind == "servers" {
		args = append([]string{"go", "run", "./withservers"}, args...)
	}
	ctx, stop := context.WithTimeout(ctx, 15*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.WaitDelay = dir, 10*time.Second
	if nested {
		cmd.Dir, cmd.Env = filepath.Join(dir, "integration_test"), append(os.Environ(), "GOWORK=off")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Writer(&out), &out
	err := cmd.Run()
	return out.String(), err
}

package handover_test

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

// A node is a way to run the application.
type node struct {
	path string // of the program
	app  string // the folder with the application and what it requires
}

const (
	// oldestNode is what the application is tried with; the npm package below has it
	// for systems that come with less.
	oldestNode  = 20
	nodePackage = "20.20.2"
)

//go:embed node/app.js
var appText []byte

//go:embed node/package.json
var packageText []byte

//go:embed node/package-lock.json
var lockText []byte

// findNode finds Node and npm, or gets them where root may install Debian's packages, and
// installs what the application requires. What it got stays in the user's cache.
func findNode(ctx context.Context, log io.Writer) (node, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	n, err := getNode(ctx, log)
	if err != nil {
		return n, fmt.Errorf("handover: no Node here that can run the Express application: %w\n"+
			"install Node %d or later with npm, and see that npm can reach its registry", err, oldestNode)
	}
	return n, nil
}

func getNode(ctx context.Context, log io.Writer) (n node, err error) {
	if n.path, err = exec.LookPath("node"); err != nil || major(ctx, n.path) < oldestNode {
		name := "node-" + goruntime.GOOS + "-" + map[string]string{"amd64": "x64", "arm64": "arm64"}[goruntime.GOARCH]
		dir, err := cached("node-"+nodePackage, func(dir string) error {
			return npm(ctx, log, dir, "install", "--prefix", dir, "--no-save", name+"@"+nodePackage)
		})
		if err != nil {
			return n, err
		}
		n.path = filepath.Join(dir, "node_modules", name, "bin", "node")
	}
	sum := sha256.New()
	for _, text := range [][]byte{appText, packageText, lockText} {
		_, _ = sum.Write(text)
	}
	n.app, err = cached(fmt.Sprintf("app-%x", sum.Sum(nil)[:8]), func(dir string) error {
		for name, text := range map[string][]byte{"app.js": appText, "package.json": packageText, "package-lock.json": lockText} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				return err
			}
		}
		return npm(ctx, log, dir, "ci")
	})
	return n, err
}

func major(ctx context.Context, path string) int {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return 0
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(string(out), "v"), ".")
	number, _ := strconv.Atoi(text)
	return number
}

// npm runs npm, and shows what it said only if it failed.
func npm(ctx context.Context, log io.Writer, dir string, args ...string) error {
	if _, err := exec.LookPath("npm"); err != nil {
		if err := servers.InstallPackages(ctx, log, "npm"); err != nil {
			return fmt.Errorf("there is no npm: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, "npm", append(args, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("npm %s: %w\n%s", args[0], errors.Join(err, ctx.Err()), out)
	}
	return nil
}

// cached returns a folder of the user's cache, which it fills if it is not there.
// Processes that do so at the same time get the same one.
func cached(name string, fill func(dir string) error) (dir string, err error) {
	parent, err := os.UserCacheDir()
	if err != nil {
		parent = os.TempDir()
	}
	parent = filepath.Join(parent, "sessions-handover")
	dir = filepath.Join(parent, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	temporary, err := os.MkdirTemp(parent, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	if err := fill(temporary); err != nil {
		return "", err
	}
	err = os.Rename(temporary, dir) // the first process wins
	if _, there := os.Stat(dir); there == nil {
		return dir, nil
	}
	return "", err
}

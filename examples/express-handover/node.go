package main

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const oldestNode = 20

//go:embed app/app.js app/package.json app/package-lock.json
var appFiles embed.FS

// installApp puts the Express application and its dependencies into a folder, unless
// that has been done before.
func installApp(ctx context.Context, folder string, out io.Writer) error {
	if err := checkNode(ctx); err != nil {
		return fmt.Errorf("this demo needs Node %d or later with npm, and %w: install it from https://nodejs.org", oldestNode, err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	files, err := fs.ReadDir(appFiles, "app")
	if err != nil {
		return err
	}
	changed := false
	for _, file := range files {
		want, err := fs.ReadFile(appFiles, "app/"+file.Name())
		if err != nil {
			return err
		}
		path := filepath.Join(folder, file.Name())
		if have, err := os.ReadFile(path); err == nil && string(have) == string(want) {
			continue
		}
		changed = true
		if err := os.WriteFile(path, want, 0o600); err != nil {
			return err
		}
	}
	done := filepath.Join(folder, "node_modules", ".done")
	if _, err := os.Stat(done); err == nil && !changed {
		return nil
	}
	_ = os.Remove(done) // otherwise the next start would take a failure now for a success
	fmt.Fprintf(out, "Installing Express with npm into %s, once ...\n", folder)
	install := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
	install.Dir = folder
	if said, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, said)
	}
	return os.WriteFile(done, nil, 0o600)
}

func checkNode(ctx context.Context) error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("there is no %q in the PATH", program)
		}
	}
	version, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return fmt.Errorf("node --version fails with %w", err)
	}
	text := strings.TrimSpace(string(version))
	major, _, _ := strings.Cut(strings.TrimPrefix(text, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		return fmt.Errorf("the one in the PATH is %s", text)
	}
	return nil
}

// startApp starts the Express application and returns its address. stop ends it; it also ends
// with this program, because its standard input is closed then.
func startApp(ctx context.Context, folder, databaseURL, secret string) (address string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, "node", "app.js")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "DATABASE_URL="+databaseURL, "SESSION_SECRET="+secret, "NODE_ENV=production")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = stdin.Close()
		_ = cmd.Wait() // it was killed, so it returns an error
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, errors.New("the Express application did not start; it said why above")
	}
	return strings.TrimSpace(line), stop, nil
}

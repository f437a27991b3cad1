package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	policyFile = "usr/sbin/policy-rc.d"
	clusterDir = "etc/postgresql-common/createcluster.d"
	ourMark    = "# temporary file of the sessions integration tests\n"
)

// aptInstall installs the Debian package with the engine's server. It starts
// no service and, for PostgreSQL, creates no cluster: only the binaries are
// wanted.
func aptInstall(ctx context.Context, engine Engine, log io.Writer) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("only root can install packages")
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		return fmt.Errorf("not Debian or Ubuntu: %w", err)
	}
	// One process at a time, because the temporary files below are shared.
	unlock, err := lockInstall(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := findBinaries(engine); err == nil {
		return nil // another process installed it meanwhile
	}
	restore, err := keepServicesDown("/", engine)
	defer func() { err = errors.Join(err, restore()) }()
	if err != nil {
		return err
	}
	return aptGet(ctx, log, apt, debianPackage(engine))
}

// InstallPackages installs Debian packages that start no service. It waits for whoever
// else installs something for these tests.
func InstallPackages(ctx context.Context, log io.Writer, names ...string) error {
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return errors.Join(errors.New("servers: only root on Debian or Ubuntu can install packages"), err)
	}
	unlock, err := lockInstall(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return aptGet(ctx, log, apt, names...)
}

func aptGet(ctx context.Context, log io.Writer, apt string, names ...string) error {
	_, _ = fmt.Fprintf(log, "servers: installing %s with apt-get ...\n", strings.Join(names, ", "))
	for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-install-recommends"}, names...)} {
		cmd := exec.CommandContext(ctx, apt, append([]string{"-q", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1")
		cmd.Stdout, cmd.Stderr = log, log
		// Killed at once, dpkg would leave packages half configured.
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = 30 * time.Second
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}

// keepServicesDown makes the maintainer scripts of the Debian system at root
// start nothing until restore is called, which is never nil.
func keepServicesDown(root string, engine Engine) (restore func() error, err error) {
	var files []string
	restore = func() error {
		var errs []error
		for _, file := range files {
			errs = append(errs, os.Remove(file))
		}
		return errors.Join(errs...)
	}
	write := func(file, content string, mode os.FileMode) error {
		old, err := os.ReadFile(file)
		if err == nil && !strings.Contains(string(old), ourMark) {
			return nil // the machine's owner has one
		}
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			return err
		}
		files = append(files, file)
		return nil
	}
	err = write(filepath.Join(root, policyFile), "#!/bin/sh\n"+ourMark+"exit 101\n", 0o755)
	if err != nil || engine != PostgreSQL {
		return restore, err
	}
	dir := filepath.Join(root, clusterDir)
	ours := filepath.Join(dir, "sessions-tests.conf")
	others, err := filepath.Glob(filepath.Join(dir, "*.conf"))
	if err != nil || len(others) > 1 || (len(others) == 1 && others[0] != ours) {
		return restore, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return restore, err
	}
	return restore, write(ours, ourMark+"create_main_cluster = false\n", 0o644)
}

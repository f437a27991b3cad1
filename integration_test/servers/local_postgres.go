package servers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
)

// adminUser is the administrator of the servers this package starts.
const adminUser = "sessions"

var postgresDirs = []string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // PostgreSQL's own packages for Red Hat
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
}

// findPostgres returns the directory with initdb and postgres: the one of PATH,
// else the newest of the well-known ones.
func findPostgres() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		// Often only a link is in PATH, and postgres is next to its target.
		if path, err = filepath.EvalSymlinks(path); err == nil && has(filepath.Dir(path), "postgres") {
			return filepath.Dir(path), nil
		}
	}
	for _, pattern := range postgresDirs {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(majorVersion(b), majorVersion(a)) })
		for _, dir := range dirs {
			if has(dir, "initdb", "postgres") {
				return dir, nil
			}
		}
	}
	return "", fmt.Errorf("no initdb and postgres in PATH or %v", postgresDirs)
}

var digits = regexp.MustCompile(`\d+`)

// majorVersion is the number in a directory's name, 0 without one.
func majorVersion(dir string) int {
	n, err := strconv.Atoi(digits.FindString(dir))
	if err != nil {
		return 0
	}
	return n
}

func startLocalPostgres(ctx context.Context, binDir string, args ...string) (*Server, error) {
	runAs, err := postgresAccount()
	if err != nil {
		return nil, err
	}
	// SIGQUIT before SIGKILL, which leaves it to postgres' children to notice.
	inst, port, err := newLocal(ctx, PostgreSQL, runAs, syscall.SIGINT, syscall.SIGQUIT, os.Kill)
	if err != nil {
		return nil, err
	}
	password := randomHex(16)
	if err := inst.setUpPostgres(ctx, binDir, password, port); err != nil {
		return nil, errors.Join(err, inst.remove())
	}
	inst.server.args = append(inst.server.args, args...)
	return newOwned(ctx, PostgreSQL, adminURL(PostgreSQL, adminUser, password, port, "postgres"),
		"local binaries "+binDir, inst)
}

// setUpPostgres makes the data directory and completes the server command.
func (l *local) setUpPostgres(ctx context.Context, binDir, password string, port int) error {
	data := filepath.Join(l.dir, "data")
	passwordFile, err := l.writeFile("password", password+"\n")
	if err != nil {
		return err
	}
	l.runPostgres(binDir, data, port)
	initdb := l.server
	initdb.path = filepath.Join(binDir, "initdb")
	initdb.args = []string{
		"-D", data, "-U", adminUser, "-A", "scram-sha-256", "--pwfile", passwordFile,
		"-E", "UTF8", "--no-locale", "--no-sync",
	}
	return initdb.run(ctx)
}

// runPostgres completes the server command.
func (l *local) runPostgres(binDir, data string, port int) {
	l.server.path = filepath.Join(binDir, "postgres")
	l.server.args = []string{
		"-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
		// No socket: its path has a limit that a long TMPDIR breaks.
		"-c", "unix_socket_directories=",
		"-c", "max_connections=300", "-c", "fsync=off", "-c", "full_page_writes=off",
	}
}

// postgresAccount is the user postgres runs as: it refuses root. nil is the
// current user.
func postgresAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // the current user is an answer
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		if found, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("postgres does not run as root, and there is no other user: %w", err)
		}
	}
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, err
	}
	return &account{uid: uint32(uid), gid: uint32(gid)}, nil
}

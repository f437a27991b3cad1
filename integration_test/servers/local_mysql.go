package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

var mysqlDirs = []string{
	"/usr/sbin", // not in every user's PATH
	"/usr/libexec",
	"/usr/local/mysql/bin",
	"/opt/homebrew/opt/mariadb*/bin",
	"/opt/homebrew/opt/mysql*/bin",
	"/usr/local/opt/mariadb*/bin",
	"/usr/local/opt/mysql*/bin",
}

// findMySQL returns the directory of mariadbd or mysqld: the one of PATH, else
// the first of the well-known ones.
func findMySQL() (string, error) {
	for _, daemon := range []string{"mariadbd", "mysqld"} {
		if path, err := exec.LookPath(daemon); err == nil {
			return filepath.Dir(path), nil
		}
	}
	for _, pattern := range mysqlDirs {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		for _, dir := range dirs {
			if has(dir, "mariadbd") || has(dir, "mysqld") {
				return dir, nil
			}
		}
	}
	return "", fmt.Errorf("no mariadbd and no mysqld in PATH or %v", mysqlDirs)
}

func startLocalMySQL(ctx context.Context, binDir string, args ...string) (*Server, error) {
	inst, port, err := newLocal(ctx, MySQL, nil, syscall.SIGTERM, os.Kill)
	if err != nil {
		return nil, err
	}
	password := randomHex(16)
	if err := inst.setUpMySQL(ctx, binDir, password, port); err != nil {
		return nil, errors.Join(err, inst.remove())
	}
	inst.server.args = append(inst.server.args, args...)
	return newOwned(ctx, MySQL, adminURL(MySQL, adminUser, password, port, ""), "local binaries "+binDir, inst)
}

// setUpMySQL makes the data directory and completes the server command.
func (l *local) setUpMySQL(ctx context.Context, binDir, password string, port int) error {
	// The server runs this at each start, before it takes connections.
	account := "'" + adminUser + "'@'127.0.0.1'"
	initFile, err := l.writeFile("init.sql", "CREATE USER IF NOT EXISTS "+account+" IDENTIFIED BY '"+password+"';\n"+
		"GRANT ALL PRIVILEGES ON *.* TO "+account+" WITH GRANT OPTION;\n")
	if err != nil {
		return err
	}
	// A tmpdir of its own: a server that starts removes the temporary tables it finds in its.
	common := []string{"--no-defaults", "--datadir=" + filepath.Join(l.dir, "data"), "--tmpdir=" + l.dir}
	if os.Geteuid() == 0 {
		common = append(common, "--user=root") // the daemon wants to be told that root is meant
	}
	l.server.args = append(slices.Clone(common),
		"--bind-address=127.0.0.1", "--port="+strconv.Itoa(port), "--skip-name-resolve",
		// In the data directory: a full path has a limit that a long TMPDIR breaks.
		"--socket=mysql.sock", "--pid-file=mysql.pid",
		"--init-file="+initFile, "--max-connections=300",
		"--innodb-flush-log-at-trx-commit=2", "--skip-log-bin",
	)
	setup := l.server
	if has(binDir, "mariadbd") {
		l.server.path = filepath.Join(binDir, "mariadbd")
		if setup.path, err = findInstallDB(binDir); err != nil {
			return err
		}
		setup.args = slices.Concat(common, []string{"--auth-root-authentication-method=normal", "--skip-test-db"})
	} else {
		l.server.path = filepath.Join(binDir, "mysqld")
		l.server.args = append(l.server.args,
			"--loose-mysqlx=OFF", "--secure-file-priv=NULL", "--loose-innodb-numa-interleave=OFF")
		setup.path = l.server.path
		setup.args = slices.Concat(common, []string{"--initialize-insecure"})
	}
	return setup.run(ctx)
}

// findInstallDB returns the script that makes MariaDB's system tables.
func findInstallDB(binDir string) (string, error) {
	const script = "mariadb-install-db"
	for _, dir := range []string{binDir, filepath.Join(binDir, "../bin"), filepath.Join(binDir, "../scripts")} {
		if has(dir, script) {
			return filepath.Join(dir, script), nil
		}
	}
	return exec.LookPath(script)
}

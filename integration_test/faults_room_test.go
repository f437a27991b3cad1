package integration_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/migrations"
)

// random returns a value that no database can compress to much less than half.
func random(length int) string {
	raw := make([]byte, length/2)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}

func long() string { return random(40_000) }

// The sessions themselves fill the disk that their table is on.
func TestDiskIsFull(t *testing.T) {
	for engine, names := range map[servers.Engine]string{servers.PostgreSQL: "pgxpool postgres libpq", servers.MySQL: "mysql"} {
		if engine == servers.MySQL && !mariaDB(t) {
			t.Log("left out: MySQL puts a table only on disks that its start has named")
			continue
		}
		disk, why := smallDisk(t)
		server, err := servers.StartOwned(t.Context(), engine, os.Stderr)
		check(t, err)
		defer func() { check(t, server.Close()) }()
		if strings.HasPrefix(server.Source(), "docker") {
			disk = "/dev/shm" // of the container, where Docker makes it a small disk
		} else if disk == "" {
			t.Logf("left out: %s: no small disk: %s", engine, why)
			continue
		}
		url, _, err := server.CreateDatabase(t.Context())
		check(t, err)
		for _, b := range backends {
			if strings.Contains(names, b.name) {
				t.Run(b.name, func(t *testing.T) { testFullDisk(t, b.connectTo(t, url).newTable(t), disk) })
			}
		}
	}
}

// smallDisk mounts a file system of its own, which takes root.
func smallDisk(t *testing.T) (dir, why string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sessions-disk-") // all users get there, the server's too
	check(t, err)
	t.Cleanup(func() { check(t, os.Remove(dir)) })
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=16m,mode=0777", "tmpfs", dir).CombinedOutput(); err != nil {
		return "", strings.TrimSpace(string(out) + " " + err.Error())
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir, ""
}

func testFullDisk(t *testing.T, tab *table, disk string) {
	execute := func(statements ...string) {
		t.Helper()
		for _, statement := range statements {
			_, err := tab.db.ExecContext(context.Background(), statement) // after the test, too
			check(t, err)
		}
	}
	length := 40_000
	// Ballast is what will be thrown off.
	if tab.dialect == migrations.PostgreSQL {
		place := filepath.Join(disk, tab.name)
		execute("COPY (SELECT 1) TO PROGRAM 'mkdir "+place+"'", // so that it is the server's
			"CREATE TABLESPACE "+tab.name+" LOCATION '"+place+"'", "ALTER TABLE "+tab.name+" SET TABLESPACE "+tab.name,
			"CREATE TABLE ballast TABLESPACE "+tab.name+" AS SELECT repeat('x', 1000) FROM generate_series(1, 10000)")
		defer execute("DROP TABLE "+tab.name, "DROP TABLESPACE "+tab.name)
	} else {
		length = 6_000 // MariaDB 10.11 aborts when a value outside of its row finds no room
		var name, create string
		check(t, tab.db.QueryRowContext(t.Context(), "SHOW CREATE TABLE "+tab.name).Scan(&name, &create))
		execute("DROP TABLE "+tab.name, create+" DATA DIRECTORY = '"+disk+"'",
			"CREATE TABLE ballast (x LONGTEXT) ENGINE = InnoDB DATA DIRECTORY = '"+disk+"'", "INSERT INTO ballast VALUES (REPEAT('x', 8000000))") // files grow by some megabytes
	}
	a := newApp(t, tab)
	users := make([]*browser, 300)
	for i := range users {
		users[i] = a.browser(t)
		users[i].ok("/login?u=alice")
		users[i].ok("/set?v=kept")
	}
	refused := response{Response: &http.Response{}}
	for range 20_000 { // more than any of these disks takes
		if refused = a.browser(t).get("/set?v=" + random(length)); refused.StatusCode != http.StatusOK {
			break
		}
	}
	if refused.StatusCode != http.StatusServiceUnavailable || setsCookie(refused) {
		t.Errorf("on a full disk: %d %s, want 503 and no cookie", refused.StatusCode, refused.Header["Set-Cookie"])
	}
	// Pages that are there already have room for some: InnoDB keeps an extent or two of them.
	for len(users) > 1 && users[0].get("/set?v="+random(length)).StatusCode == http.StatusOK {
		users = users[1:]
	}
	user := users[0]
	a.refused(t, user, "/set?v="+random(length), "the server has no room left")
	if got := user.ok("/read"); got != "kept" {
		t.Errorf("on a full disk the session holds %.20q", got)
	}
	execute("DROP TABLE ballast")
	want := random(length)
	user.ok("/set?v=" + want)
	if got := user.ok("/read"); got != want {
		t.Errorf("with room again the session holds %.20q", got)
	}
}

// A packet of the server's that is smaller than a session. What is stored must not
// look like a session that is damaged or gone.
func TestMySQLPacketIsTooSmall(t *testing.T) {
	admin := backends[mysqlBackend].connectTo(t, ownedServer(t, servers.MySQL))
	for name, parameters := range map[string]string{
		"known to the server": "maxAllowedPacket=67108864", "known to the driver": "maxAllowedPacket=0", "text": "interpolateParams=true",
	} {
		t.Run("mysql "+name, func(t *testing.T) { testSmallPacket(t, admin, parameters) })
	}
}

func testSmallPacket(t *testing.T, admin *conns, parameters string) {
	tab := admin.newTable(t)
	packet := func(bytes string) *app {
		t.Helper()
		_, err := admin.db.ExecContext(t.Context(), "SET GLOBAL max_allowed_packet = "+bytes)
		check(t, err)
		c := admin.connectTo(t, withParameters(admin.url, parameters))
		return newApp(t, &table{conns: c, name: tab.name, store: c.openStore(t, tab.name)})
	}
	a := packet("16777216")
	user, rich := a.browser(t), a.browser(t)
	user.ok("/set?v=kept")
	stored := long()
	rich.ok("/set?v=" + stored)

	small := packet("16384")
	user.on(small)
	got := user.get("/set?v=" + long())
	if got.StatusCode != http.StatusInternalServerError || setsCookie(got) {
		t.Errorf("a session larger than a packet: %d %s, want 500 and no cookie", got.StatusCode, got.Header["Set-Cookie"])
	}
	if !strings.Contains(small.log.String(), "raise max_allowed_packet") {
		t.Errorf("the log does not say to raise max_allowed_packet:\n%s", small.log.String())
	}
	user.again("/set?v=new") // the server has cut the connection
	if got := rich.clone(a).on(small).ok("/read"); got != stored {
		t.Errorf("a stored session larger than a packet holds %.40q", got)
	}

	large := packet("16777216")
	if got := rich.on(large).ok("/read"); got != stored {
		t.Errorf("with a larger packet the session holds %.20q", got)
	}
	user.on(large).ok("/set?v=" + long())
}

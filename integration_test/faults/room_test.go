package faults_test

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
	"github.com/sqlsessions/sessions/integration_test/testbed"
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
		if engine == servers.MySQL && !testbed.MariaDB(t) {
			t.Log("left out: MySQL puts a table only on disks that its start has named")
			continue
		}
		disk, why := smallDisk(t)
		server, err := servers.StartOwned(t.Context(), engine, os.Stderr)
		testbed.Check(t, err)
		defer func() { testbed.Check(t, server.Close()) }()
		if strings.HasPrefix(server.Source(), "docker") {
			disk = "/dev/shm" // of the container, where Docker makes it a small disk
		} else if disk == "" {
			if os.Geteuid() == 0 {
				t.Fatalf("%s: no small disk: %s", engine, why)
			}
			t.Logf("left out: %s: only root can make a small disk: %s", engine, why)
			continue
		}
		url, _, err := server.CreateDatabase(t.Context())
		testbed.Check(t, err)
		for _, b := range testbed.Backends {
			if strings.Contains(names, b.Name) {
				t.Run(b.Name, func(t *testing.T) { testFullDisk(t, b.ConnectTo(t, url).NewTable(t), disk) })
			}
		}
	}
}

// smallDisk mounts a file system of its own, which takes root.
func smallDisk(t *testing.T) (dir, why string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sessions-disk-") // all users get there, the server's too
	testbed.Check(t, err)
	t.Cleanup(func() { testbed.Check(t, os.Remove(dir)) })
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

func testFullDisk(t *testing.T, tab *testbed.Table, disk string) {
	execute := func(statements ...string) {
		t.Helper()
		for _, statement := range statements {
			_, err := tab.DB.ExecContext(context.Background(), statement) // after the test, too
			testbed.Check(t, err)
		}
	}
	length := 40_000
	// Ballast is what will be thrown off.
	if tab.Dialect == migrations.PostgreSQL {
		place := filepath.Join(disk, tab.Name)
		execute("COPY (SELECT 1) TO PROGRAM 'mkdir "+place+"'", // so that it is the server's
			"CREATE TABLESPACE "+tab.Name+" LOCATION '"+place+"'", "ALTER TABLE "+tab.Name+" SET TABLESPACE "+tab.Name,
			"CREATE TABLE ballast TABLESPACE "+tab.Name+" AS SELECT repeat('x', 1000) FROM generate_series(1, 10000)")
		defer execute("DROP TABLE "+tab.Name, "DROP TABLESPACE "+tab.Name)
	} else {
		length = 6_000 // MariaDB 10.11 aborts when a value outside of its row finds no room
		var name, create string
		testbed.Check(t, tab.DB.QueryRowContext(t.Context(), "SHOW CREATE TABLE "+tab.Name).Scan(&name, &create))
		execute("DROP TABLE "+tab.Name, create+" DATA DIRECTORY = '"+disk+"'",
			"CREATE TABLE ballast (x LONGTEXT) ENGINE = InnoDB DATA DIRECTORY = '"+disk+"'", "INSERT INTO ballast VALUES (REPEAT('x', 8000000))") // files grow by some megabytes
	}
	a := testbed.NewApp(t, tab)
	users := make([]*testbed.Browser, 300)
	for i := range users {
		users[i] = a.Browser(t)
		users[i].OK("/login?u=alice")
		users[i].OK("/set?v=kept")
	}
	refused := testbed.Response{Response: &http.Response{}}
	for range 20_000 { // more than any of these disks takes
		if refused = a.Browser(t).Fetch("/set?v=" + random(length)); refused.StatusCode != http.StatusOK {
			break
		}
	}
	if refused.StatusCode != http.StatusServiceUnavailable || testbed.SetsCookie(refused) {
		t.Errorf("on a full disk: %d %s, want 503 and no cookie", refused.StatusCode, refused.Header["Set-Cookie"])
	}
	// Pages that are there already have room for some: InnoDB keeps an extent or two of them.
	for len(users) > 1 && users[0].Fetch("/set?v="+random(length)).StatusCode == http.StatusOK {
		users = users[1:]
	}
	user := users[0]
	a.Refused(t, user, "/set?v="+random(length), "the server has no room left")
	if got := user.OK("/read"); got != "kept" {
		t.Errorf("on a full disk the session holds %.20q", got)
	}
	execute("DROP TABLE ballast")
	want := random(length)
	user.OK("/set?v=" + want)
	if got := user.OK("/read"); got != want {
		t.Errorf("with room again the session holds %.20q", got)
	}
}

// A packet of the server's that is smaller than a session. What is stored must not
// look like a session that is damaged or gone.
func TestMySQLPacketIsTooSmall(t *testing.T) {
	admin := testbed.Backends[testbed.MySQL].ConnectTo(t, testbed.OwnedServer(t, servers.MySQL))
	for name, parameters := range map[string]string{
		"known to the server": "maxAllowedPacket=67108864", "known to the driver": "maxAllowedPacket=0", "text": "interpolateParams=true",
	} {
		t.Run("mysql "+name, func(t *testing.T) { testSmallPacket(t, admin, parameters) })
	}
}

func testSmallPacket(t *testing.T, admin *testbed.Conns, parameters string) {
	tab := admin.NewTable(t)
	t.Cleanup(func() { _, _ = admin.DB.ExecContext(context.Background(), "SET GLOBAL max_allowed_packet = 16777216") })
	packet := func(bytes string) *testbed.App {
		t.Helper()
		_, err := admin.DB.ExecContext(t.Context(), "SET GLOBAL max_allowed_packet = "+bytes)
		testbed.Check(t, err)
		c := admin.ConnectTo(t, testbed.WithParameters(admin.URL, parameters))
		return testbed.NewApp(t, &testbed.Table{Conns: c, Name: tab.Name, Store: c.OpenStore(t, tab.Name)})
	}
	a := packet("16777216")
	user, rich := a.Browser(t), a.Browser(t)
	user.OK("/set?v=kept")
	stored := long()
	rich.OK("/set?v=" + stored)

	small := packet("16384")
	user.On(small)
	got := user.Fetch("/set?v=" + long())
	if got.StatusCode != http.StatusInternalServerError || testbed.SetsCookie(got) {
		t.Errorf("a session larger than a packet: %d %s, want 500 and no cookie", got.StatusCode, got.Header["Set-Cookie"])
	}
	if !strings.Contains(small.Log.String(), "raise max_allowed_packet") {
		t.Errorf("the log does not say to raise max_allowed_packet:\n%s", small.Log.String())
	}
	again(user, "/set?v=new") // the server has cut the connection
	if got := rich.Clone(a).On(small).OK("/read"); got != stored {
		t.Errorf("a stored session larger than a packet holds %.40q", got)
	}

	large := packet("16777216")
	if got := rich.On(large).OK("/read"); got != stored {
		t.Errorf("with a larger packet the session holds %.20q", got)
	}
	user.On(large).OK("/set?v=" + long())
}

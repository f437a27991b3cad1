package servers

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain also is the test process that TestServerDiesWithTheTests kills. It
// starts a program like a server.
func TestMain(m *testing.M) {
	dir := os.Getenv("SERVERS_TEST_VICTIM")
	if dir == "" {
		os.Exit(m.Run())
	}
	runAs, err := postgresAccount() // another user, for that drops the death signal if set too early
	if err != nil {
		panic(err)
	}
	server := command{
		path: "/bin/sleep", args: []string{"600"}, dir: "/", logFile: filepath.Join(dir, "log"),
		runAs: runAs, death: syscall.SIGQUIT,
	}
	p, err := server.launch()
	if err != nil {
		panic(err)
	}
	fmt.Println(p.process.Pid)
	select {}
}

func TestServerDiesWithTheTests(t *testing.T) {
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), "SERVERS_TEST_VICTIM="+t.TempDir())
	victim.Stderr = t.Output()
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Error(err)
	}
	pid := strings.TrimSpace(line)
	if !runs(pid) {
		t.Error("the server does not run")
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // "signal: killed"
	within(t, "the server of a killed test process ends", func() bool { return !runs(pid) })
}

// runs reports whether the process is there and not only waits to be reaped,
// for who does that to orphans differs between machines.
func runs(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && pid != "" && !strings.Contains(string(stat), ") Z ")
}

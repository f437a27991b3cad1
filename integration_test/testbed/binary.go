package testbed

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// built has the programs that this process has compiled, in a folder which Main removes.
var built struct {
	sync.Mutex
	dir      string
	programs map[string]string
}

// Build compiles a program of this repository as its users do, with go.work, once for all
// tests of a package.
func Build(t *testing.T, program string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if binary := built.programs[program]; binary != "" {
		return binary
	}
	var err error
	if built.dir == "" {
		built.dir, err = os.MkdirTemp("", "sessions-programs-") //nolint:usetesting // it outlives the test
		Check(t, err)
		built.programs = map[string]string{}
	}
	root, err := filepath.Abs("../..")
	Check(t, err)
	binary := filepath.Join(built.dir, filepath.Base(program))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, program)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", program, err, out)
	}
	built.programs[program] = binary
	return binary
}

// A Result is what a command left behind.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Command runs a program to its end.
func Command(t *testing.T, env []string, binary string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v", filepath.Base(binary), err)
	}
	return Result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

var listening = regexp.MustCompile(`http://localhost(:\d+)`)

// Serve starts a program that prints its address, and returns the address and
// a function that stops it as an operator does.
func Serve(t *testing.T, dir, binary string, args ...string) (address string, stop func()) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	Check(t, err)
	var stderr LockedBuffer
	cmd.Stderr = &stderr
	Check(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			address = "http://127.0.0.1" + m[1]
			break
		}
	}
	if address == "" {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("%s ended without an address:\n%s", filepath.Base(binary), stderr.String())
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() { //nolint:revive // only so that the program can go on writing
		}
	}()
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		Check(t, cmd.Process.Signal(syscall.SIGTERM))
		<-drained
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", filepath.Base(binary), err, stderr.String())
		}
	}
	t.Cleanup(stop)
	return address, stop
}

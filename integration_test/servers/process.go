package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// account is the operating system's user a process runs as.
type account struct{ uid, gid uint32 }

// own makes the account the owner of a file; no account leaves it to the
// current user.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// command is a program to run in dir, which its output goes to as well.
type command struct {
	path    string
	args    []string
	dir     string
	logFile string
	runAs   *account  // nil: the current user
	death   os.Signal // what it gets when the test process dies
}

// process is a running command.
type process struct {
	command
	process *os.Process
	done    chan struct{} // closed when it ended
	err     error         // why, once done is closed
}

// launch starts the command so that it dies together with this process.
func (c command) launch() (*process, error) {
	// Appended, so that a restart keeps what the first run said.
	out, err := os.OpenFile(c.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = tied(c.death, c.runAs)

	p := &process{command: c, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the death signal when the thread which started the
		// child ends, so that thread has to stay until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer out.Close()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.process = cmd.Process
		started <- nil
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// run runs the command to its end, which ctx can make come early.
func (c command) run(ctx context.Context) error {
	p, err := c.launch()
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.end(ctx, os.Kill))
	}
	if p.err != nil {
		return p.alive()
	}
	return nil
}

// alive returns nil while the process runs, and how it ended, with the last of
// its output, afterwards.
func (p *process) alive() error {
	select {
	case <-p.done:
		how := "exit status 0"
		if p.err != nil {
			how = p.err.Error()
		}
		return fmt.Errorf("%s ended with %s; the end of its output:\n%s", p.path, how, p.outputTail())
	default:
		return nil
	}
}

// end sends the signals one after the other, each when the one before had no
// effect in ten seconds or when ctx ended, and waits for the process to end.
// The last signal has to be os.Kill.
func (p *process) end(ctx context.Context, signals ...os.Signal) error {
	for i, signal := range signals {
		if err := p.process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			if i+1 < len(signals) {
				continue // Windows has no other signal than os.Kill
			}
			return fmt.Errorf("%s: %w", p.path, err)
		}
		if signal == os.Kill {
			<-p.done
			return nil
		}
		timer := time.NewTimer(10 * time.Second)
		select {
		case <-p.done:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if p.alive() != nil {
			return nil //nolint:nilerr // that it has ended is what was wanted
		}
	}
	return nil
}

// outputTail returns the last of what the command wrote.
func (c command) outputTail() string {
	output, err := os.ReadFile(c.logFile)
	if err != nil {
		return "(no output: " + err.Error() + ")"
	}
	return tail(output)
}

// tail returns the last lines of an output, as many as an error message bears.
func tail(output []byte) string {
	return strings.TrimSpace(string(output[max(0, len(output)-2000):]))
}

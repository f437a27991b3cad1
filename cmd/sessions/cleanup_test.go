package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

const long = -48 * time.Hour

func TestCleanup(t *testing.T) {
	db, url := migrated(t)
	insert(t, db, 7, time.Hour)
	insert(t, db, 1, long)
	run(t, url, "cleanup", "--dry-run").want(t, 0, "1 expired session would be deleted\n")
	_, err := db.ExecContext(t.Context(), "UPDATE sessions SET ended_at = 1, expires_at = 1, keep_until = absolute_expires_at WHERE rowid <= 2")
	check(t, err)
	run(t, url, "cleanup", "--dry-run").want(t, 0, "1 expired session would be deleted\n2 ended sessions kept for now\n")
	insert(t, db, 2499, long)
	run(t, url, "cleanup", "--dry-run").want(t, 0, "2500 expired sessions would be deleted\n2 ended sessions kept for now\n")
	run(t, url, "cleanup", "--once", "--quiet").want(t, 0, "deleted 2500 expired sessions\n")
	run(t, url, "cleanup", "--once", "--batch-size", "10").want(t, 0, "deleted 0 expired sessions\n")
	if n := query[int](t, db, "SELECT count(*) FROM sessions"); n != 7 {
		t.Errorf("%d rows are left, want 7", n)
	}
}

func TestCleanupUsage(t *testing.T) {
	_, url := newFile(t)
	for _, args := range [][]string{{}, {"--once", "--dry-run"}, {"--every", "5m", "--once"}, {"--once=false"}} {
		run(t, url, append([]string{"cleanup"}, args...)...).wantError(t, exitUsage, "--once", "--every", "--dry-run")
	}
	for _, every := range []string{"0s", "-1s", "1ms", "999ms"} {
		run(t, url, "cleanup", "--every", every).wantError(t, exitUsage, "--every", "at least 1s", "--every 5m")
	}
	run(t, url, "cleanup", "--once", "--batch-size", "0").wantError(t, exitUsage, "--batch-size", "1 to 10000")
	run(t, url, "cleanup", "--once", "--batch-size", "10001").wantError(t, exitUsage, "--batch-size")
	run(t, url, "cleanup", "--once", "--timeout", "0s").wantError(t, exitUsage, "--timeout")
}

// Two at once share the work, and together delete each row once.
func TestTwoCleanupsAtOnce(t *testing.T) {
	db, url := migrated(t)
	insert(t, db, 3000, long)
	var (
		group sync.WaitGroup
		did   [2]int
	)
	for i := range did {
		cmd := command(t, url, "cleanup", "--once", "--batch-size", "100")
		group.Go(func() {
			if r := finish(t, cmd); r.code != 0 {
				t.Errorf("%+v", r)
			} else if _, err := fmt.Sscanf(r.out, "deleted %d", &did[i]); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if left := query[int](t, db, "SELECT count(*) FROM sessions"); did[0]+did[1] != 3000 || left != 0 {
		t.Errorf("they deleted %v, %d are left", did, left)
	}
}

func TestCleanupOnceInterrupted(t *testing.T) {
	const rows = 10_000
	db, url := migrated(t)
	insert(t, db, rows, long)
	cmd := command(t, url, "cleanup", "--once", "--batch-size", "1")
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	check(t, cmd.Start())
	eventually(t, "a row is deleted", func() bool { return query[int](t, db, "SELECT count(*) FROM sessions") < rows })
	check(t, cmd.Process.Signal(syscall.SIGINT))
	_ = cmd.Wait() // its exit code is looked at
	left, deleted := query[int](t, db, "SELECT count(*) FROM sessions"), 0
	line, prefix := errOut.String(), "sessions: stopped by a signal (interrupt) after it deleted "
	if _, err := fmt.Sscanf(strings.TrimPrefix(line, prefix), "%d expired", &deleted); err != nil || !strings.HasPrefix(line, prefix) {
		t.Errorf("%v: %s", err, line)
	}
	if code := cmd.ProcessState.ExitCode(); code != 130 || out.Len() > 0 || deleted+left != rows || left == 0 {
		t.Errorf("exit code %d, stdout %q, %d deleted, %d left", code, &out, deleted, left)
	}
}

func TestCleanupEvery(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		db, url := migrated(t)
		insert(t, db, 30, long)
		cmd := command(t, url, "cleanup", "--every", "1s")
		var out bytes.Buffer
		cmd.Stdout = &out
		pipe, err := cmd.StderrPipe()
		check(t, err)
		check(t, cmd.Start())
		log := bufio.NewReader(pipe)
		expect := func(texts ...string) {
			t.Helper()
			line, err := log.ReadString('\n')
			check(t, err)
			for _, text := range texts {
				if !strings.Contains(line, text) {
					t.Errorf("no %q in the log line %s", text, line)
				}
			}
		}
		expect("level=INFO", "started", "every=1s", "table=sessions")
		expect("level=INFO", "deleted=30")
		insert(t, db, 2, long)
		expect("deleted=2")
		check(t, cmd.Process.Signal(signal))
		expect("stopped by a signal ("+signal.String()+")", "deleted=32", "failures=0")
		if err := cmd.Wait(); err != nil || out.Len() > 0 {
			t.Errorf("%v: %v, stdout %q", signal, err, &out)
		}
	}
}

func TestPlainProgress(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := newLines(&out, func() time.Time { return now }, deletedSoFar, "expired session")
	for range 12 {
		now = now.Add(time.Second)
		p.add(1000)
	}
	p.end()
	if got, want := out.String(), "deleted 5000 expired sessions so far\ndeleted 10000 expired sessions so far\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The bar copes with more rows than were counted, uses no colours, and leaves
// nothing behind.
func TestProgressBar(t *testing.T) {
	var out bytes.Buffer
	p := newBar(&out, 2500, "deleting")
	for range 4 {
		p.add(1000)
	}
	p.end()
	text := out.String()
	if !strings.Contains(text, "deleting") || !strings.Contains(text, "/2500") || strings.ContainsAny(text, "\x1b\n") {
		t.Errorf("%q", text)
	}
	if last := text[strings.LastIndex(strings.TrimSuffix(text, "\r"), "\r"):]; strings.TrimSpace(last) != "" {
		t.Errorf("it leaves %q", last)
	}
}

// A slow is a store whose batches take a time.
type slow struct {
	driver.Store
	took time.Duration
}

func (s slow) Reap(ctx context.Context, _ driver.ReapRequest) (driver.ReapResult, error) {
	select {
	case <-time.After(s.took):
		return driver.ReapResult{Deleted: 1}, nil
	case <-ctx.Done():
		return driver.ReapResult{}, ctx.Err()
	}
}

// --timeout alone bounds a batch, longer or shorter than the reaper would by itself.
func TestCleanupBatchTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			took, timeout time.Duration
			want          error
		}{
			{time.Minute, 5 * time.Minute, nil},
			{time.Minute, 50 * time.Second, context.DeadlineExceeded},
			{10 * time.Second, 5 * time.Second, context.DeadlineExceeded},
		} {
			reaper := &sessions.Reaper{Store: bounded{slow{took: c.took}, c.timeout}}
			if n, err := reaper.Sweep(t.Context()); !errors.Is(err, c.want) || (n == 1) != (c.want == nil) {
				t.Errorf("%+v: %d, %v", c, n, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := (&sessions.Reaper{Store: bounded{slow{took: time.Minute}, time.Minute}}).Sweep(ctx)
		if err == nil || time.Since(start) != time.Second {
			t.Errorf("cancelled: %v after %v", err, time.Since(start))
		}
	})
}

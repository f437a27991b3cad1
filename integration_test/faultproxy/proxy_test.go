package faultproxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/faultproxy"
)

const answer = "an answer\n"

// A server answers each line, and remembers them.
type server struct {
	net.Listener
	mu    sync.Mutex
	lines []string
	got   chan struct{}
}

func newServer(t *testing.T) *server {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: listener, got: make(chan struct{}, 100)}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					s.mu.Lock()
					s.lines = append(s.lines, lines.Text())
					s.mu.Unlock()
					s.got <- struct{}{}
					_, _ = io.WriteString(conn, answer)
				}
			}()
		}
	}()
	return s
}

func (s *server) received(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.lines, line)
}

// A client is a connection through the proxy.
type client struct {
	t *testing.T
	net.Conn
}

func dial(t *testing.T, p *faultproxy.Proxy) client {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return client{t, conn}
}

// ask sends a line and returns what comes until the answer is complete or the wait is over.
func (c client) ask(line string, wait time.Duration) (string, error) {
	c.t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	_ = c.SetReadDeadline(time.Now().Add(wait))
	var got []byte
	for b := make([]byte, 100); len(got) < len(answer); {
		n, err := c.Read(b)
		if got = append(got, b[:n]...); err != nil {
			return string(got), err
		}
	}
	return string(got), nil
}

const (
	long  = time.Minute // which a test does not wait
	short = 100 * time.Millisecond
)

func TestEachFault(t *testing.T) {
	for _, test := range []struct {
		fault   faultproxy.Fault
		wait    time.Duration
		got     string // of the answer
		want    error
		arrives bool // at the server
	}{
		{faultproxy.None, long, answer, nil, true},
		{faultproxy.Blackhole, short, "", os.ErrDeadlineExceeded, false},
		{faultproxy.ResetBefore, long, "", syscall.ECONNRESET, false},
		{faultproxy.ResetAfter, long, "", syscall.ECONNRESET, true},
		{faultproxy.LoseAnswer, long, "", syscall.ECONNRESET, true},
		{faultproxy.CutAnswer, long, answer[:len(answer)/2], syscall.ECONNRESET, true},
		{faultproxy.Slow, short, "", os.ErrDeadlineExceeded, true},
		{faultproxy.Drip, short, answer[:1], os.ErrDeadlineExceeded, true},
	} {
		t.Run(test.fault.String(), func(t *testing.T) {
			s := newServer(t)
			p := faultproxy.New(t, s.Addr().String())
			c := dial(t, p)
			if got, err := c.ask("one", long); got != answer || err != nil {
				t.Fatalf("without a fault: %q, %v", got, err)
			}
			<-s.got
			p.Set(test.fault)
			got, err := c.ask("two", test.wait)
			if test.fault == faultproxy.Drip && got == "" { // not even the first was in time
				got = answer[:1]
			}
			if got != test.got || !errors.Is(err, test.want) {
				t.Errorf("got %q, %v; want %q, %v", got, err, test.got, test.want)
			}
			if test.arrives {
				<-s.got
			} else if p.Close(); s.received("two") { // closed, nothing is under way
				t.Error("the server has received it")
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	s := newServer(t)
	p := faultproxy.New(t, s.Addr().String())
	open := dial(t, p)
	if _, err := open.ask("one", long); err != nil {
		t.Fatal(err)
	}
	p.Set(faultproxy.Refuse)
	if _, err := open.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an open connection: %v", err)
	}
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v", err)
	}
	p.Set(faultproxy.None)
	if got, err := dial(t, p).ask("two", long); got != answer || err != nil {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}

// Next is for one turn, and calls what it was given before that turn arrives.
func TestNext(t *testing.T) {
	s := newServer(t)
	p := faultproxy.New(t, s.Addr().String())
	c := dial(t, p)
	var called atomic.Bool
	p.Next(3, faultproxy.LoseAnswer, func() { called.Store(!s.received("3")) })
	for _, line := range []string{"1", "2"} {
		if got, err := c.ask(line, long); got != answer || err != nil {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
	if _, err := c.ask("3", long); !errors.Is(err, syscall.ECONNRESET) || !called.Load() || !p.Happened() {
		t.Errorf("the third: %v, called %t", err, called.Load())
	}
	if got, err := dial(t, p).ask("4", long); got != answer || err != nil {
		t.Errorf("the fourth: %q, %v", got, err)
	}
	p.Next(2, faultproxy.LoseAnswer)
	if p.Happened() {
		t.Error("it has not begun")
	}
	c = dial(t, p)
	for range 3 {
		if got, err := c.ask("5", long); got != answer || err != nil {
			t.Errorf("called off: %q, %v", got, err)
		}
	}
}

// The same seed makes the same faults.
func TestRandom(t *testing.T) {
	s := newServer(t)
	history := func(seed uint64) (faults []bool) {
		p := faultproxy.New(t, s.Addr().String())
		p.Random(seed, 0.5, faultproxy.ResetBefore, faultproxy.LoseAnswer)
		for range 40 {
			_, err := dial(t, p).ask("x", long)
			faults = append(faults, err != nil)
		}
		return faults
	}
	first := history(1)
	if !slices.Equal(first, history(1)) || !slices.Contains(first, true) || !slices.Contains(first, false) {
		t.Errorf("one seed: %v", first)
	}
	if slices.Equal(first, history(2)) {
		t.Error("another seed makes the same")
	}
}

func TestReset(t *testing.T) {
	s := newServer(t)
	p := faultproxy.New(t, s.Addr().String())
	c := dial(t, p)
	if _, err := c.ask("1", long); err != nil {
		t.Fatal(err)
	}
	p.Reset()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an open connection: %v", err)
	}
	if got, err := dial(t, p).ask("2", long); got != answer || err != nil {
		t.Errorf("a new one: %q, %v", got, err)
	}
}

// What a hook uses must not be gone before it has returned.
func TestSettleWaitsForHooks(t *testing.T) {
	s := newServer(t)
	p := faultproxy.New(t, s.Addr().String())
	begun, release, returned := make(chan struct{}), make(chan struct{}), false
	p.Next(1, faultproxy.None, func() {
		close(begun)
		<-release
		returned = true
	})
	c := dial(t, p)
	go func() { _, _ = c.ask("first", time.Minute) }()
	<-begun
	var settled sync.WaitGroup
	settled.Go(func() {
		p.Settle()
		if !returned {
			t.Error("a hook still runs")
		}
	})
	time.Sleep(10 * time.Millisecond) // it must not return in this time; if it has not begun, it need not
	close(release)
	settled.Wait()
}

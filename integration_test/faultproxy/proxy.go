// Package faultproxy is a TCP proxy that does to a connection what networks do. It knows no
// protocol. What a client sends after an answer, up to the next answer, is a turn: one round
// trip of whatever protocol it is, those of logging in included.
package faultproxy

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A Fault is what happens to a turn, or with [Refuse] to a connection.
type Fault int

// The faults. A SYN that is dropped can't be had on a loopback address: Blackhole is what
// comes nearest, a connection on which nothing ever arrives.
const (
	None        Fault = iota
	Refuse            // new connections are refused, and open ones reset
	Blackhole         // what is sent arrives nowhere, and there is no answer
	ResetBefore       // the connection is reset, and the turn never reaches the server
	ResetAfter        // it is reset when the turn has been passed on, which may still be carried out
	LoseAnswer        // it is reset in place of the answer: the turn has been carried out
	CutAnswer         // it is reset in the middle of the answer
	Slow              // each part of an answer comes Proxy.Delay late
	Drip              // one byte of the answer a second
)

var names = [...]string{"none", "refuse", "blackhole", "reset before", "reset after", "lose the answer", "cut the answer", "slow", "drip"}

func (f Fault) String() string { return names[f] }

// A Proxy stands between clients and one server. Its methods are safe for concurrent use.
type Proxy struct {
	// Delay is that of Slow. Change it before the first connection.
	Delay time.Duration

	target, addr string
	closed       chan struct{}
	all          sync.WaitGroup
	settled      *sync.Cond // when it becomes 0, with mu: how many turns have hooks to run, or were left under way by ResetAfter
	running      int

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	conns    map[*net.TCPConn]bool
	always   Fault    // of turns for which nothing else was asked
	left     int      // turns until the one that next is for; 0: none
	next     Fault    // of that one
	hooks    []func() // called when it begins
	random   *rand.Rand
	share    float64 // of turns to which one of the faults below happens
	faults   []Fault
}

// New starts a proxy in front of an address, such as 127.0.0.1:5432. It ends with the test.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	p := &Proxy{Delay: time.Hour, target: target, closed: make(chan struct{}), conns: map[*net.TCPConn]bool{}}
	p.settled = sync.NewCond(&p.mu)
	// Below the ports of outgoing connections, so that none of these gets it while
	// connections are refused.
	var err error
	for range 100 {
		p.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(15000+rand.IntN(5000)))
		if err = p.listen(); err == nil {
			t.Cleanup(p.Close)
			return p
		}
	}
	t.Fatal(err)
	return nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.addr }

// URL returns the address of a database with the proxy in the place of its server.
func (p *Proxy) URL(t testing.TB, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.addr
	return u.String()
}

// Set makes a fault happen to every turn from now on, or with None to none.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.always = f
	switch {
	case f == Refuse && p.listener != nil:
		_ = p.listener.Close()
		p.listener = nil
		p.resetAll()
	case f != Refuse && p.listener == nil:
		if err := p.listenLocked(); err != nil {
			panic(fmt.Sprintf("%s, which was ours: %v", p.addr, err))
		}
	}
}

// Next makes a fault happen to the nth turn from now, once. The functions are called when
// that turn begins, before anything of it is passed on.
func (p *Proxy) Next(n int, f Fault, hooks ...func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.next, p.hooks = n, f, hooks
}

// Happened reports whether the turn of Next has begun. If not, it is called off.
func (p *Proxy) Happened() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.left
	p.left = 0
	return was == 0
}

// Random makes one of the faults happen to a share of the turns, the same for the same seed
// and order of turns. Without a fault that ends.
func (p *Proxy) Random(seed uint64, share float64, faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.random, p.share, p.faults = rand.New(rand.NewPCG(seed, 0)), share, faults
}

// Reset resets all open connections.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resetAll()
}

// Settle returns when the hooks have returned, and the server is done with the turns that
// ResetAfter has left under way.
func (p *Proxy) Settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.running > 0 {
		p.settled.Wait()
	}
}

func (p *Proxy) underWay(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running += n
	p.settled.Broadcast()
}

// Close ends the proxy and its connections. A second call does nothing.
func (p *Proxy) Close() {
	p.mu.Lock()
	select {
	case <-p.closed:
	default:
		close(p.closed)
		if p.listener != nil {
			_ = p.listener.Close()
		}
		p.resetAll()
	}
	p.mu.Unlock()
	p.all.Wait()
}

func (p *Proxy) resetAll() {
	for conn := range p.conns {
		reset(conn)
	}
}

// reset closes a connection so that the other end sees it reset.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

func (p *Proxy) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listenLocked()
}

func (p *Proxy) listenLocked() error {
	listener, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.listener = listener
	p.all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			client := conn.(*net.TCPConn)
			if !p.keep(client, listener) {
				reset(client)
				continue
			}
			p.all.Go(func() {
				defer p.forget(client)
				p.serve(client)
			})
		}
	})
	return nil
}

// keep reports whether a connection may live: of a listener, unless that was closed.
func (p *Proxy) keep(conn *net.TCPConn, of net.Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
		return false
	default:
	}
	if of != nil && p.listener != of {
		return false
	}
	p.conns[conn] = true
	return true
}

func (p *Proxy) forget(conn *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	reset(conn)
}

// turn begins a turn and returns what happens to it.
func (p *Proxy) turn() Fault {
	p.mu.Lock()
	f := p.always
	var hooks []func()
	if len(p.faults) > 0 && p.random.Float64() < p.share {
		f = p.faults[p.random.IntN(len(p.faults))]
	}
	if p.left > 0 {
		if p.left--; p.left == 0 {
			f, hooks = p.next, p.hooks
		}
	}
	p.running++ // until the hooks have returned
	p.mu.Unlock()
	defer p.underWay(-1)
	for _, hook := range hooks {
		hook()
	}
	return f
}

package faultproxy

import (
	"net"
	"sync"
	"time"
)

// A link is a client's connection and the server's.
type link struct {
	proxy          *Proxy
	client, server *net.TCPConn

	mu       sync.Mutex
	answered bool  // what the client sends next begins a turn
	fault    Fault // of the turn
}

// serve passes on what client and server send, until one of them ends.
func (p *Proxy) serve(client *net.TCPConn) {
	conn, err := net.Dial("tcp", p.target)
	if err != nil {
		return // and so the client is reset
	}
	server := conn.(*net.TCPConn)
	if !p.keep(server, nil) {
		reset(server)
		return
	}
	defer p.forget(server)
	l := &link{proxy: p, client: client, server: server, answered: true}
	p.mu.Lock()
	if p.always != ResetBefore && p.always != ResetAfter { // those are about what a client sends, and the server may speak first
		l.fault = p.always
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.run(l.ask) })
	both.Go(func() { l.run(l.answer) })
	both.Wait()
}

// run passes on one direction. When it ends, so does the other.
func (l *link) run(direction func(b []byte) bool) {
	defer reset(l.client)
	defer reset(l.server)
	b := make([]byte, 64<<10)
	for direction(b) {
	}
}

// ask passes on a part of a turn, and reports whether more may come.
func (l *link) ask(b []byte) bool {
	n, err := l.client.Read(b)
	if err != nil {
		return false
	}
	l.mu.Lock()
	begins := l.answered
	l.answered = false
	l.mu.Unlock()
	if begins {
		f := l.proxy.turn()
		l.mu.Lock()
		l.fault = f
		l.mu.Unlock()
	}
	switch l.now() {
	case Blackhole:
		return true
	case ResetBefore, Refuse:
		return false
	}
	_, err = l.server.Write(b[:n])
	if l.now() == ResetAfter {
		l.sent()
		return false
	}
	return err == nil
}

// sent makes sure that what was passed on is not lost with the connection: a reset takes what
// the other side has not read along.
func (l *link) sent() {
	l.proxy.underWay(1)
	defer l.proxy.underWay(-1)
	_ = l.server.CloseWrite()
	reset(l.client)
	// The server ends when it has carried the turn out and finds the end of the stream.
	_ = l.server.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 64<<10)
	for {
		if _, err := l.server.Read(b); err != nil {
			return
		}
	}
}

func (l *link) now() Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault
}

// answer passes on a part of an answer, and reports whether more may come.
func (l *link) answer(b []byte) bool {
	n, err := l.server.Read(b)
	if err != nil {
		return false
	}
	l.mu.Lock()
	l.answered = true
	l.mu.Unlock()
	switch l.now() {
	case Blackhole, ResetAfter:
		return true
	case LoseAnswer, ResetBefore, Refuse:
		return false
	case CutAnswer:
		_, _ = l.client.Write(b[:n/2])
		return false
	case Slow:
		if !l.pause(l.proxy.Delay) {
			return false
		}
	case Drip:
		for i := range n {
			if _, err := l.client.Write(b[i : i+1]); err != nil || !l.pause(time.Second) {
				return false
			}
		}
		return true
	}
	_, err = l.client.Write(b[:n])
	return err == nil
}

// pause waits, unless the proxy ends.
func (l *link) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.proxy.closed:
		return false
	}
}

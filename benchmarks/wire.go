package main

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"syscall"

	"github.com/sqlsessions/sessions/integration_test/servers"
)

// A wire counts what a pool's connections send. It looks at the bytes and not at a
// driver's calls, so that whoever is measured is counted in the same way.
type wire struct {
	engine     servers.Engine
	statements atomic.Int64
	trips      atomic.Int64 // times that somebody waited for the server
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: c, wire: w, starting: w.engine == servers.PostgreSQL}, nil
}

type wireConn struct {
	net.Conn
	wire     *wire
	starting bool        // PostgreSQL's first message has no type
	asked    atomic.Bool // written to since the last read

	// The message being written: what is left of it, and of its head what came so far.
	left int
	head []byte
}

// SyscallConn lets MySQL's driver look whether the server hung up, as it does without this type.
func (c *wireConn) SyscallConn() (syscall.RawConn, error) {
	return c.Conn.(syscall.Conn).SyscallConn()
}

func (c *wireConn) Read(b []byte) (int, error) {
	if c.asked.Swap(false) {
		c.wire.trips.Add(1)
	}
	return c.Conn.Read(b)
}

func (c *wireConn) Write(b []byte) (int, error) {
	c.count(b)
	c.asked.Store(true)
	return c.Conn.Write(b)
}

const headBytes = 5 // both protocols: a length and a type, in another order

// count finds the messages in what is written, which may begin and end anywhere.
func (c *wireConn) count(b []byte) {
	for len(b) > 0 {
		if c.left > 0 {
			n := min(c.left, len(b))
			c.left -= n
			b = b[n:]
			continue
		}
		n := min(headBytes-len(c.head), len(b))
		c.head = append(c.head, b[:n]...)
		b = b[n:]
		if len(c.head) == headBytes {
			c.message()
			c.head = c.head[:0]
		}
	}
}

// message takes the head of a message apart.
func (c *wireConn) message() {
	h := c.head
	if c.wire.engine == servers.MySQL {
		// Three bytes of length, a number that is 0 in a command's first packet, the command.
		const query, execute = 0x03, 0x17
		c.left = int(h[0]) | int(h[1])<<8 | int(h[2])<<16 - 1
		if h[3] == 0 && (h[4] == query || h[4] == execute) {
			c.wire.statements.Add(1)
		}
		return
	}
	if c.starting {
		c.starting = false
		c.left = int(binary.BigEndian.Uint32(h)) - headBytes
		return
	}
	c.left = int(binary.BigEndian.Uint32(h[1:])) - 4
	if h[0] == 'Q' || h[0] == 'E' {
		c.wire.statements.Add(1)
	}
}

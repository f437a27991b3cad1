package main

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// A wire counts the statements that a pool's connections send. It looks at the bytes, so that all
// contenders are counted in the same way, whatever calls they make of a driver. It can hold back
// the answers, as if the database were far away.
type wire struct {
	postgres   bool
	other      bool // a protocol in which nothing is counted
	statements atomic.Int64
	away       atomic.Int64 // nanoseconds
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: c, wire: w, starting: w.postgres}, nil
}

type wireConn struct {
	net.Conn

	wire     *wire
	sent     time.Time // when something was written of which no answer has been read
	starting bool      // PostgreSQL's first message has no type
	left     int       // bytes of the message being written
	head     []byte
}

// SyscallConn lets MySQL's driver check whether the server hung up, as it does without this type.
func (c *wireConn) SyscallConn() (syscall.RawConn, error) {
	return c.Conn.(syscall.Conn).SyscallConn()
}

func (c *wireConn) Write(b []byte) (int, error) {
	if !c.wire.other {
		c.count(b)
	}
	if c.wire.away.Load() > 0 {
		c.sent = time.Now()
	}
	return c.Conn.Write(b)
}

// Read holds back the first bytes of an answer. A driver reads after it has written.
func (c *wireConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if away := time.Duration(c.wire.away.Load()); away > 0 && !c.sent.IsZero() {
		time.Sleep(time.Until(c.sent.Add(away)))
	}
	c.sent = time.Time{}
	return n, err
}

const headBytes = 5 // in both protocols a length and a type, in different order

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
			if c.message(c.head) {
				c.wire.statements.Add(1)
			}
			c.head = c.head[:0]
		}
	}
}

// message reads the head of a message and tells whether it is a statement.
func (c *wireConn) message(h []byte) bool {
	if !c.wire.postgres {
		// Three bytes of length, a number that is 0 in a command's first packet, the command.
		const query, execute = 0x03, 0x17
		c.left = int(h[0]) | int(h[1])<<8 | int(h[2])<<16 - 1
		return h[3] == 0 && (h[4] == query || h[4] == execute)
	}
	if c.starting {
		c.starting = false
		c.left = int(binary.BigEndian.Uint32(h)) - headBytes
		return false
	}
	c.left = int(binary.BigEndian.Uint32(h[1:])) - 4
	return h[0] == 'Q' || h[0] == 'E'
}

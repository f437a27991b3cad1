package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// A browser has one session, whose cookie it keeps.
type browser struct {
	mu     sync.Mutex
	header http.Header // replaced, never changed
}

func newBrowser() *browser { return &browser{header: http.Header{}} }

// A reply is the response to a request. Its body is kept only if keep is set.
type reply struct {
	head   http.Header
	status int
	keep   bool
	body   []byte
}

func (p *reply) Header() http.Header { return p.head }

func (p *reply) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
	}
}

func (p *reply) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.keep {
		p.body = append(p.body, b...)
	}
	return len(b), nil
}

// send makes one request and takes over the cookie of its response. p can be used again.
func (b *browser) send(ctx context.Context, h http.Handler, path string, p *reply) {
	// net/http gives handlers a context that can be cancelled, which costs drivers something.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.mu.Lock()
	header := b.header
	b.mu.Unlock()
	r := &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: path}, RequestURI: path, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: http.NoBody, Host: "localhost", RemoteAddr: "127.0.0.1:50000",
	}
	clear(p.head)
	p.status, p.body = 0, p.body[:0]
	h.ServeHTTP(p, r.WithContext(ctx))
	p.WriteHeader(http.StatusOK)
	for _, line := range p.head["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		if strings.HasSuffix(pair, "=") {
			continue // it deletes the cookie, and another line brings the new one
		}
		b.mu.Lock()
		if b.header.Get("Cookie") != pair {
			b.header = http.Header{"Cookie": {pair}}
		}
		b.mu.Unlock()
	}
}

// ask is like send, and returns what the page says.
func (b *browser) ask(ctx context.Context, h http.Handler, path string) (user string, count int, err error) {
	p := &reply{head: http.Header{}, keep: true}
	b.send(ctx, h, path, p)
	user, number, ok := strings.Cut(string(p.body), " ")
	if count, err = strconv.Atoi(number); err != nil || !ok || p.status != http.StatusOK {
		return "", 0, fmt.Errorf("%s answered %d: %.200s", path, p.status, p.body)
	}
	return user, count, nil
}

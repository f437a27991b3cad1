package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// A browser is one session, as its user's browser sees it.
type browser struct {
	mu     sync.Mutex // of what follows
	header http.Header
}

var urls = map[string]*url.URL{}

func init() {
	for _, path := range []string{pathBegin, pathBeginLarge, pathRead, pathCounter, pathRolling, pathLogin} {
		urls[path] = &url.URL{Path: path}
	}
}

// A reply is what came back of a request. Its body is kept only where keep is set.
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

// send makes one request and takes over the cookie of its answer. p can be used again.
func (b *browser) send(ctx context.Context, h http.Handler, path string, p *reply) {
	// What net/http gives to a handler can be cancelled, which costs drivers something.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.mu.Lock()
	header := b.header
	b.mu.Unlock()
	r := &http.Request{
		Method: http.MethodGet, URL: urls[path], RequestURI: path, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: http.NoBody, Host: "localhost", RemoteAddr: "127.0.0.1:50000",
	}
	clear(p.head)
	p.status, p.body = 0, p.body[:0]
	h.ServeHTTP(p, r.WithContext(ctx))
	p.WriteHeader(http.StatusOK)
	for _, line := range p.head["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		if strings.HasSuffix(pair, "=") {
			continue // takes it away, and another line brings the new one
		}
		b.mu.Lock()
		if b.header.Get("Cookie") != pair {
			b.header = http.Header{"Cookie": {pair}}
		}
		b.mu.Unlock()
	}
}

// ask is send for whoever wants to know the answer.
func (b *browser) ask(ctx context.Context, h http.Handler, path string) (user string, count int, err error) {
	p := &reply{head: http.Header{}, keep: true}
	b.send(ctx, h, path, p)
	user, number, ok := strings.Cut(string(p.body), " ")
	if count, err = strconv.Atoi(number); err != nil || !ok || p.status != http.StatusOK {
		return "", 0, fmt.Errorf("benchmarks: %s answered %d: %.200s", path, p.status, p.body)
	}
	return user, count, nil
}

// seed begins n sessions.
func seed(ctx context.Context, h http.Handler, n int, path string) ([]*browser, error) {
	all := make([]*browser, n)
	return all, each(all, func(b **browser) error {
		*b = &browser{header: http.Header{}}
		_, _, err := (*b).ask(ctx, h, path)
		return err
	})
}

// visit lets each session be read once.
func visit(ctx context.Context, h http.Handler, all []*browser) error {
	return each(all, func(b **browser) error {
		_, _, err := (*b).ask(ctx, h, pathRead)
		return err
	})
}

// each calls f for all of them, some at a time.
func each(all []*browser, f func(b **browser) error) error {
	var group sync.WaitGroup
	errs := make([]error, connections)
	for i := range errs {
		group.Go(func() {
			for j := i; j < len(all) && errs[i] == nil; j += connections {
				errs[i] = f(&all[j])
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

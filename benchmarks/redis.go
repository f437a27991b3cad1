package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/redis/go-redis/v9"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
)

// What people would take in place of a SQL database. Redis has a server of its own for each
// contender, whose log is written to the disk with each change (always) or once a second.

// openRedis starts a server and gives the application that keep makes of its client.
func openRedis(sync string, keep func(*redis.Client) http.Handler) opener {
	return func(ctx context.Context, d *bench.Database) (http.Handler, error) {
		address, err := startRedis(ctx, d, sync)
		if err != nil {
			return nil, err
		}
		client := redis.NewClient(&redis.Options{Addr: address, PoolSize: bench.Connections, Dialer: d.Dial, Protocol: 3})
		d.AtEnd(client.Close)
		for deadline := time.Now().Add(30 * time.Second); ; {
			err := client.Ping(ctx).Err()
			if err == nil {
				return keep(client), nil
			}
			if time.Now().After(deadline) || ctx.Err() != nil {
				return nil, fmt.Errorf("benchmarks: Redis does not answer: %w", err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func startRedis(ctx context.Context, d *bench.Database, sync string) (address string, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("%w: %w", errMissing, err)
	}
	directory, err := os.MkdirTemp("", "sessions-redis.")
	if err != nil {
		return "", err
	}
	d.AtEnd(func() error { return os.RemoveAll(directory) })
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address = listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := listener.Close(); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, "--port", port, "--bind", "127.0.0.1", "--dir", directory,
		"--save", "", "--appendonly", "yes", "--appendfsync", sync)
	if err := cmd.Start(); err != nil {
		return "", err
	}
	d.AtEnd(func() error {
		return errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait())
	})
	return address, nil
}

// redisHand is the application without a library.
type redisHand struct{ client *redis.Client }

const redisPrefix = "session:"

func (h redisHand) load(r *http.Request) (id string, d handData, err error) {
	c, err := r.Cookie("id")
	if err != nil {
		return "", d, errNoSession
	}
	text, err := h.client.Get(r.Context(), redisPrefix+c.Value).Bytes()
	if errors.Is(err, redis.Nil) {
		return "", d, errNoSession
	}
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	return c.Value, d, err
}

func (h redisHand) save(ctx context.Context, id string, d *handData) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return h.client.Set(ctx, redisPrefix+id, text, idle).Err()
}

// begin saves a session under a new id, and has old no longer open it, if there is one.
func (h redisHand) begin(w http.ResponseWriter, r *http.Request, old string, d handData) (string, int, error) {
	id := rand.Text()
	http.SetCookie(w, &http.Cookie{Name: "id", Value: id, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	d.User = newUser()
	if err := h.save(r.Context(), id, &d); err != nil || old == "" {
		return d.User, d.Count, err
	}
	return d.User, d.Count, h.client.Del(r.Context(), redisPrefix+old).Err()
}

func handOnRedis(client *redis.Client) http.Handler {
	h := redisHand{client}
	return pages{
		"/read": func(_ http.ResponseWriter, r *http.Request) (string, int, error) {
			_, d, err := h.load(r)
			return d.User, d.Count, err
		},
		"/counter": func(_ http.ResponseWriter, r *http.Request) (string, int, error) {
			id, d, err := h.load(r)
			if err == nil {
				d.Count++
				err = h.save(r.Context(), id, &d)
			}
			return d.User, d.Count, err
		},
		"/rolling": func(_ http.ResponseWriter, r *http.Request) (string, int, error) {
			id, d, err := h.load(r)
			if err == nil {
				err = h.client.Expire(r.Context(), redisPrefix+id, idle).Err()
			}
			return d.User, d.Count, err
		},
		"/login": func(w http.ResponseWriter, r *http.Request) (string, int, error) {
			id, d, err := h.load(r)
			if err != nil {
				return "", 0, err
			}
			return h.begin(w, r, id, d)
		},
		"/begin": func(w http.ResponseWriter, r *http.Request) (string, int, error) {
			return h.begin(w, r, "", handData{Cart: cart, Theme: theme})
		},
	}
}

func scsOnRedis(client *redis.Client) http.Handler {
	m := scs.New()
	m.Lifetime, m.IdleTimeout = 30*24*time.Hour, 0
	m.Cookie.Secure = true
	m.Store = goredisstore.New(client)
	return newSCS(m)
}

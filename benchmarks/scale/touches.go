package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions"
)

// A counter counts the calls that write.
type counter struct {
	sessions.Store

	loads, touches, others atomic.Int64
}

func (c *counter) Load(ctx context.Context, key sessions.RowKey) (sessions.Record, error) {
	c.loads.Add(1)
	return c.Store.Load(ctx, key)
}

func (c *counter) Touch(ctx context.Context, key sessions.RowKey, ttl sessions.TTL) error {
	c.touches.Add(1)
	return c.Store.Touch(ctx, key, ttl)
}

func (c *counter) Save(ctx context.Context, r sessions.Record, ttl sessions.TTL) (sessions.Version, error) {
	c.others.Add(1)
	return c.Store.Save(ctx, r, ttl)
}

// touches lets a user click each second. A second passes when the row is made one second older.
func touches(ctx context.Context, b *bench) error {
	minutes := b.size(60, 10)
	for _, o := range []sessions.Options{{}, {IdleTimeout: 30 * time.Minute}, {Rolling: true}} {
		if err := b.clicks(ctx, o, minutes); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) clicks(ctx context.Context, o sessions.Options, minutes int) (err error) {
	t, err := b.table(ctx, "")
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, t) }()
	store := &counter{Store: t.store}
	o.Secrets = [][]byte{make([]byte, 32)}
	_, _ = rand.Read(o.Secrets[0]) // never fails
	manager, err := sessions.New(store, o)
	if err != nil {
		return err
	}
	key := sessions.NewKey[string]("user_name")
	page := manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s := sessions.FromContext(r.Context()); r.URL.Path == "/login" {
			key.Set(s, "ann")
		} else {
			_, _ = key.Get(s)
		}
	}))
	var cookie *http.Cookie
	click := func(path string) error {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "https://localhost"+path, nil)
		if cookie != nil {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			return fmt.Errorf("a click was answered with %d", w.Code)
		}
		if set := w.Result().Cookies(); len(set) > 0 {
			cookie = set[0]
		}
		return nil
	}
	if err := click("/login"); err != nil {
		return err
	}
	expiry := t.pick("SELECT (extract(epoch FROM expires_at) * 1000000)::bigint FROM sessions",
		"SELECT TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', expires_at) FROM sessions")
	older := t.pick("UPDATE sessions SET expires_at = expires_at - interval '1 second'",
		"UPDATE sessions SET expires_at = expires_at - INTERVAL 1 SECOND")
	var moves, most int64 // in all, and in the worst minute
	recent := make([]int64, 60)
	for second := range minutes * 60 {
		if _, err := t.exec(ctx, older); err != nil {
			return err
		}
		before, err := t.int(ctx, expiry)
		if err != nil {
			return err
		}
		if err := click("/"); err != nil {
			return err
		}
		after, err := t.int(ctx, expiry)
		if err != nil {
			return err
		}
		recent[second%60] = 0
		if after > before {
			recent[second%60] = 1
			moves++
		}
		var sum int64
		for _, n := range recent {
			sum += n
		}
		most = max(most, sum)
	}
	called := store.touches.Load()
	b.resultf(most <= 1 && moves == called && store.others.Load() == 0 && moves > 0, "1 or fewer",
		"%d clicks in %d minutes, idle timeout %s, Rolling %v: %d loads, %d calls of Touch, %d moved the row: %.2f a minute, %d in the worst 60 seconds",
		minutes*60, minutes, orDefault(o.IdleTimeout), o.Rolling, store.loads.Load(), called, moves, float64(moves)/float64(minutes), most)
	return nil
}

func orDefault(d time.Duration) string {
	if d == 0 {
		return "24h0m0s (default)"
	}
	return d.String()
}

package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

// A counter counts the calls that write.
type counter struct {
	driver.Store

	loads, touches, others atomic.Int64
}

func (c *counter) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	c.loads.Add(1)
	return c.Store.Load(ctx, ref)
}

func (c *counter) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	c.touches.Add(1)
	return c.Store.Touch(ctx, req)
}

func (c *counter) Save(ctx context.Context, req driver.SaveRequest) (driver.SaveResult, error) {
	c.others.Add(1)
	return c.Store.Save(ctx, req)
}

// touches lets a user click each second. A second passes when the row is made one second older.
func touches(ctx context.Context, b *bench) error {
	minutes := b.size(60, 10)
	for _, o := range []sessions.Options{{}, {IdleTimeout: 30 * time.Minute}} {
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
	user, err := newSite(store, o, 1)
	if err != nil {
		return err
	}
	if err := user.click(ctx, 0, "/begin", ""); err != nil {
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
		if err := user.click(ctx, 0, "/", ""); err != nil {
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
		"%d clicks in %d minutes, idle timeout %s: %d loads, %d calls of Touch, %d moved the row: %.2f a minute, %d in the worst 60 seconds",
		minutes*60, minutes, orDefault(o.IdleTimeout), store.loads.Load(), called, moves, float64(moves)/float64(minutes), most)
	return nil
}

func orDefault(d time.Duration) string {
	if d == 0 {
		return "24h0m0s (default)"
	}
	return d.String()
}

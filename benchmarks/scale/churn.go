package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
)

const (
	lifetime = 8 // hours that a session lives
	// pace is the most statements a second. Between two looks of autovacuum there must not be many
	// times as many as on a real day.
	pace = 3000
)

// churn lets a day pass in minutes. Each hour a seventh of the live sessions logs in, random ones
// are touched and changed, and the oldest expire and are reaped.
func churn(ctx context.Context, s *scale) error {
	return s.with(ctx, true, func(t *table) (err error) {
		if t.Postgres() && t.Owned() { // the day is short, so autovacuum has to look more often
			if err := t.naptime(ctx, "'1s'"); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, t.naptime(context.WithoutCancel(ctx), "DEFAULT")) }()
		}
		c := &crowd{table: t, each: s.size(20_000, 2_100) / (lifetime - 1), members: map[int][]driver.Row{}}
		for hour := range lifetime - 1 { // the day begins with live sessions
			if err := c.login(ctx, hour); err != nil {
				return err
			}
		}
		var worst float64
		var text string
		for hour := range 24 {
			if err := c.hour(ctx, hour+lifetime-1); err != nil {
				return err
			}
			size, err := t.Size(ctx, "sessions")
			if err != nil {
				return err
			}
			fresh, err := t.rebuilt(ctx)
			if err != nil {
				return err
			}
			if ratio := float64(size) / float64(fresh); ratio > worst {
				worst, text = ratio, fmt.Sprintf("%.1f MB in hour %d, %.2f times the same rows in a new table (%.1f MB)", mb(size), hour+1, ratio, mb(fresh))
			}
		}
		t.resultf(worst <= 1.5, "1.5 or less", "24 hours, %d live sessions, %d created; at most %s", c.each*(lifetime-1), c.each*(lifetime-1+24), text)
		return nil
	})
}

func (t *table) naptime(ctx context.Context, value string) error {
	_, err := t.exec(ctx, "ALTER SYSTEM SET autovacuum_naptime = "+value)
	if err == nil {
		_, err = t.exec(ctx, "SELECT pg_reload_conf()")
	}
	return err
}

// A crowd comes and goes.
type crowd struct {
	*table

	each    int                  // how many log in each hour
	members map[int][]driver.Row // by the hour of their login
}

// paced does n things, not too fast.
func paced(ctx context.Context, n int, do func(i int) error) error {
	begin := time.Now()
	return bench.Parallel(ctx, n, func(_, i int) error {
		bench.Await(begin, i, pace)
		return do(i)
	})
}

func (c *crowd) login(ctx context.Context, hour int) error {
	members := make([]driver.Row, c.each)
	c.members[hour] = members
	return paced(ctx, c.each, func(i int) error {
		id := uuid.Format(uuid.New())
		proof := sha256.Sum256([]byte(id))
		at := driver.Ref{ID: driver.ID(id), Verifier: driver.Verifier(proof[:])}
		created, err := c.store.Create(ctx, driver.CreateRequest{
			Ref: at, User: userOf(i), Data: data(rand.IntN(60)),
			Life: driver.Life{Idle: lifetime * time.Hour, Absolute: 720 * time.Hour},
		})
		members[i] = driver.Row{Ref: at, Version: created.Version}
		return err
	})
}

func (c *crowd) hour(ctx context.Context, hour int) error {
	if err := c.login(ctx, hour); err != nil {
		return err
	}
	oldest, live := hour-lifetime+1, c.each*lifetime
	life := driver.Life{Idle: lifetime*time.Hour + time.Duration(hour)*time.Minute}
	if err := paced(ctx, live/2, func(int) error {
		m := &c.members[oldest+rand.IntN(lifetime)][rand.IntN(c.each)]
		_, err := c.store.Touch(ctx, driver.TouchRequest{Ref: m.Ref, Life: life})
		return err
	}); err != nil {
		return err
	}
	if err := paced(ctx, live/4, func(i int) error {
		at := i / lifetime * 2 % c.each // each once
		m := &c.members[oldest+i%lifetime][at]
		saved, err := c.store.Save(ctx, driver.SaveRequest{
			From: m.Ref, Version: m.Version, Verifier: m.Verifier, User: userOf(at), Data: data(rand.IntN(60)), Life: life,
		})
		m.Version = saved.Version
		return err
	}); err != nil {
		return err
	}
	return c.expire(ctx, oldest)
}

// expire ends the oldest, which costs an update a row that a real day does not have.
func (c *crowd) expire(ctx context.Context, hour int) error {
	if _, err := c.exec(ctx, fmt.Sprintf(c.Pick(
		`UPDATE sessions SET expires_at = now() - interval '2 hours', reap_after = date_trunc('hour', now()) - interval '1 hour'
			WHERE id IN (SELECT id FROM sessions ORDER BY created_at LIMIT %d)`,
		`UPDATE sessions SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 2 HOUR, reap_after = UTC_TIMESTAMP - INTERVAL 1 HOUR
			ORDER BY created_at LIMIT %d`), c.each)); err != nil {
		return err
	}
	delete(c.members, hour)
	n, err := (&sessions.Reaper{Store: c.store}).Sweep(ctx)
	if err == nil && n != c.each {
		err = fmt.Errorf("the reaper deleted %d rows of %d", n, c.each)
	}
	return err
}

// rebuilt is the size of the table's rows in a new table, inserted in the order of their IDs.
func (t *table) rebuilt(ctx context.Context) (n int64, err error) {
	create := "CREATE TABLE fresh LIKE sessions"
	if t.Postgres() {
		if err := t.DB.QueryRowContext(ctx, `SELECT 'CREATE TABLE fresh (LIKE sessions INCLUDING ALL) WITH (' || array_to_string(reloptions, ', ') || ')'
			FROM pg_class WHERE oid = 'sessions'::regclass`).Scan(&create); err != nil {
			return 0, err
		}
	}
	for _, statement := range []string{create, "INSERT INTO fresh SELECT * FROM sessions ORDER BY id"} {
		if _, err := t.exec(ctx, statement); err != nil {
			return 0, err
		}
	}
	if n, err = t.Size(ctx, "fresh"); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, "DROP TABLE fresh")
	return n, err
}

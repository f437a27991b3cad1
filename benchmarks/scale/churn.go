package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// lifetime is in how many turns a session of churn is there.
const lifetime = 8

// pace is how many statements a second churn sends at the most: between two looks of autovacuum not
// many times as many as in a real day.
const pace = 3000

// churn lets a day pass in 24 turns, in each of which a seventh of the live sessions logs in, all
// are touched and changed at random, and the oldest expire and are reaped.
func churn(ctx context.Context, b *bench) (err error) {
	t, err := b.table(ctx, b.loose())
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, t) }()
	if b.postgres() && b.owned != nil { // the day is short, and so autovacuum has to look more often
		if err := b.naptime(ctx, "'1s'"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.naptime(context.WithoutCancel(ctx), "DEFAULT")) }()
	}
	n := b.size(20_000, 2_100)
	c := &crowd{table: t, each: n / (lifetime - 1)}
	most, last := sizes{}, sizes{}
	for turn := range lifetime - 1 { // the day begins with live sessions
		if err := c.login(ctx, turn); err != nil {
			return err
		}
	}
	for hour := range 24 {
		turn := hour + lifetime - 1
		if err := c.hour(ctx, turn); err != nil {
			return err
		}
		if last, err = t.compare(ctx); err != nil {
			return err
		}
		if last.ratio() > most.ratio() {
			most = last
		}
		b.progressf("hour %d: %s", hour+1, last)
	}
	b.resultf(most.ratio() <= 1.5, "1.5 or less",
		"24 turns, %d live sessions, %d created, %d reaped, %d touches and %d saves; the table with its indexes at the most %s",
		c.each*(lifetime-1), c.created, c.reaped, c.touched, c.saved, most)
	b.detailf("at the end %s", last)
	if t.postgres() {
		u, err := t.updates(ctx)
		if err != nil {
			return err
		}
		var naptime string
		if err := t.db.QueryRowContext(ctx, "SELECT current_setting('autovacuum_naptime')").Scan(&naptime); err != nil {
			return err
		}
		var rows, indexes int64
		if err := t.db.QueryRowContext(ctx, "SELECT pg_relation_size('sessions'), pg_indexes_size('sessions')").Scan(&rows, &indexes); err != nil {
			return err
		}
		b.detailf("at the end %.1f MB are rows and %.1f MB indexes", mb(rows), mb(indexes))
		b.detailf("autovacuum ran %d times, with autovacuum_naptime=%s because the day is short", u.vacuums, naptime)
	}
	return nil
}

func (b *bench) naptime(ctx context.Context, value string) error {
	for _, statement := range []string{"ALTER SYSTEM SET autovacuum_naptime = " + value, "SELECT pg_reload_conf()"} {
		if _, err := b.admin.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// A crowd is who comes and goes.
type crowd struct {
	*table

	each                            int // how many log in each turn
	created, reaped, touched, saved int
	members                         map[int][]member // by turn
}

// A member is one session of a crowd.
type member struct {
	driver.Ref

	version driver.Version
}

func (c *crowd) login(ctx context.Context, turn int) error {
	if c.members == nil {
		c.members = map[int][]member{}
	}
	members := make([]member, c.each)
	c.members[turn] = members
	c.created += c.each
	begin := time.Now()
	return parallel(ctx, c.each, func(_, i int) error {
		await(begin, i, pace)
		id := uuid.Format(uuid.New())
		proof := sha256.Sum256([]byte(id))
		at := driver.Ref{ID: driver.ID(id), Verifier: driver.Verifier(proof[:])}
		created, err := c.store.Create(ctx, driver.CreateRequest{
			Ref: at, User: userOf(i), Data: data(rand.IntN(60)),
			Life: driver.Life{Idle: lifetime * time.Hour, Absolute: 720 * time.Hour},
		})
		members[i] = member{at, created.Version}
		return err
	})
}

func (c *crowd) hour(ctx context.Context, turn int) error {
	if err := c.login(ctx, turn); err != nil {
		return err
	}
	oldest := turn - lifetime + 1
	live := c.each * lifetime
	life := driver.Life{Idle: lifetime*time.Hour + time.Duration(turn)*time.Minute}
	c.touched += live / 2
	begin := time.Now()
	if err := parallel(ctx, live/2, func(_, i int) error {
		await(begin, i, pace)
		m := &c.members[oldest+rand.IntN(lifetime)][rand.IntN(c.each)]
		_, err := c.store.Touch(ctx, driver.TouchRequest{Ref: m.Ref, Life: life})
		return err
	}); err != nil {
		return err
	}
	c.saved += live / 4
	begin = time.Now()
	if err := parallel(ctx, live/4, func(_, i int) error {
		await(begin, i, pace)
		at := i / lifetime * 2 % c.each // each once
		m := &c.members[oldest+i%lifetime][at]
		saved, err := c.store.Save(ctx, driver.SaveRequest{
			From: m.Ref, Version: m.version, Verifier: m.Verifier, User: userOf(at), Data: data(rand.IntN(60)), Life: life,
		})
		m.version = saved.Version
		return err
	}); err != nil {
		return err
	}
	return c.expire(ctx, oldest)
}

// expire makes the oldest die, which costs one update a row that a real day does not have.
func (c *crowd) expire(ctx context.Context, turn int) error {
	if _, err := c.exec(ctx, fmt.Sprintf(c.pick(
		`UPDATE sessions SET expires_at = now() - interval '2 hours', reap_after = date_trunc('hour', now()) - interval '1 hour'
			WHERE id IN (SELECT id FROM sessions ORDER BY created_at LIMIT %d)`,
		`UPDATE sessions SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 2 HOUR, reap_after = UTC_TIMESTAMP - INTERVAL 1 HOUR
			ORDER BY created_at LIMIT %d`), c.each)); err != nil {
		return err
	}
	delete(c.members, turn)
	n, err := (&sessions.Reaper{Store: c.store}).Sweep(ctx)
	if err == nil && n != c.each {
		err = fmt.Errorf("the reaper deleted %d rows of %d", n, c.each)
	}
	c.reaped += n
	return err
}

// sizes are bytes of a table and its indexes.
type sizes struct {
	table, fresh int64 // as it is, and as it would be without churn
}

func (s sizes) ratio() float64 {
	return float64(s.table) / float64(max(s.fresh, 1))
}

func (s sizes) String() string {
	return fmt.Sprintf("%.1f MB, %.2f times the same rows in a new table, inserted in the order of their IDs (%.1f MB)",
		mb(s.table), s.ratio(), mb(s.fresh))
}

func mb(n int64) float64 { return float64(n) / (1 << 20) }

func (t *table) compare(ctx context.Context) (s sizes, err error) {
	if s.table, err = t.bytes(ctx, "sessions"); err != nil {
		return s, err
	}
	s.fresh, err = t.rebuilt(ctx)
	return s, err
}

// rebuilt is the size of the table's rows in a new one beside it.
func (t *table) rebuilt(ctx context.Context) (n int64, err error) {
	create := "CREATE TABLE fresh LIKE sessions"
	if t.postgres() {
		var options string
		if err := t.db.QueryRowContext(ctx, "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = 'sessions'::regclass").Scan(&options); err != nil {
			return 0, err
		}
		create = "CREATE TABLE fresh (LIKE sessions INCLUDING ALL) WITH (" + options + ")"
	}
	for _, statement := range []string{create, "INSERT INTO fresh SELECT * FROM sessions ORDER BY id"} {
		if _, err := t.exec(ctx, statement); err != nil {
			return 0, err
		}
	}
	if n, err = t.bytes(ctx, "fresh"); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, "DROP TABLE fresh")
	return n, err
}

func (t *table) bytes(ctx context.Context, name string) (int64, error) {
	if t.postgres() {
		return t.int(ctx, "SELECT pg_total_relation_size('"+name+"')")
	}
	if _, err := t.exec(ctx, "ANALYZE TABLE "+name); err != nil {
		return 0, err
	}
	return t.int(ctx, `SELECT data_length + index_length FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_name = '`+name+`'`)
}

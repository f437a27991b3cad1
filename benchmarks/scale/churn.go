package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sqlsessions/sessions"
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
	versions                        map[int][]sessions.Version // by turn
}

func kind(turn int) string { return fmt.Sprintf("turn%02d-", turn) }

func (c *crowd) login(ctx context.Context, turn int) error {
	if c.versions == nil {
		c.versions = map[int][]sessions.Version{}
	}
	c.versions[turn] = make([]sessions.Version, c.each)
	c.created += c.each
	begin := time.Now()
	return parallel(ctx, c.each, func(_, i int) error {
		await(begin, i, pace)
		c.versions[turn][i] = 1
		r := sessions.Record{Key: hashed(kind(turn), i), Handle: hex.EncodeToString([]byte(hashed(kind(turn), -i-1)[:16])), User: userOf(i), Data: data(rand.IntN(60))}
		return c.store.Create(ctx, r, sessions.TTL{Idle: lifetime * time.Hour, Absolute: 720 * time.Hour})
	})
}

func (c *crowd) hour(ctx context.Context, turn int) error {
	if err := c.login(ctx, turn); err != nil {
		return err
	}
	oldest := turn - lifetime + 1
	live := c.each * lifetime
	ttl := sessions.TTL{Idle: lifetime*time.Hour + time.Duration(turn)*time.Minute}
	c.touched += live / 2
	begin := time.Now()
	if err := parallel(ctx, live/2, func(_, i int) error {
		await(begin, i, pace)
		return c.store.Touch(ctx, hashed(kind(oldest+rand.IntN(lifetime)), rand.IntN(c.each)), ttl)
	}); err != nil {
		return err
	}
	c.saved += live / 4
	begin = time.Now()
	if err := parallel(ctx, live/4, func(_, i int) (err error) {
		await(begin, i, pace)
		at, i := oldest+i%lifetime, i/lifetime*2%c.each // each once
		versions := c.versions[at]
		r := sessions.Record{Key: hashed(kind(at), i), User: userOf(i), Version: versions[i], Data: data(rand.IntN(60))}
		versions[i], err = c.store.Save(ctx, r, ttl)
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
			WHERE key IN (SELECT key FROM sessions ORDER BY created_at LIMIT %d)`,
		`UPDATE sessions SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 2 HOUR, reap_after = UTC_TIMESTAMP - INTERVAL 1 HOUR
			ORDER BY created_at LIMIT %d`), c.each)); err != nil {
		return err
	}
	delete(c.versions, turn)
	n, err := (&sessions.Reaper{Store: c.store}).Sweep(ctx)
	if err == nil && n != c.each {
		err = fmt.Errorf("the reaper deleted %d rows of %d", n, c.each)
	}
	c.reaped += n
	return err
}

// sizes are bytes of a table and its indexes.
type sizes struct {
	table, packed, arrived int64 // as it is; built anew in the order of keys; in that of arrival
}

// ratio is to what the table would be without churn. Keys are random, and so pages split unless
// the rows come in the order of their keys.
func (s sizes) ratio() float64 {
	return float64(s.table) / float64(max(s.arrived, 1))
}

func (s sizes) String() string {
	return fmt.Sprintf("%.1f MB, %.2f times the same rows in a new table, inserted in the order of their arrival (%.1f MB), and %.2f times in the order of their keys (%.1f MB)",
		mb(s.table), s.ratio(), mb(s.arrived), float64(s.table)/float64(s.packed), mb(s.packed))
}

func mb(n int64) float64 { return float64(n) / (1 << 20) }

// compare builds the live rows anew beside the table.
func (t *table) compare(ctx context.Context) (s sizes, err error) {
	if s.table, err = t.bytes(ctx, "sessions"); err != nil {
		return s, err
	}
	if s.packed, err = t.rebuilt(ctx, t.pick("key", "`key`")); err != nil {
		return s, err
	}
	s.arrived, err = t.rebuilt(ctx, "created_at")
	return s, err
}

// columns are all but the key, whose name has to be quoted.
const columns = `handle, user_id, data, version, created_at, absolute_expires_at, expires_at, reap_after`

func (t *table) rebuilt(ctx context.Context, order string) (n int64, err error) {
	create := "CREATE TABLE fresh LIKE sessions"
	if t.postgres() {
		var options string
		if err := t.db.QueryRowContext(ctx, "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = 'sessions'::regclass").Scan(&options); err != nil {
			return 0, err
		}
		create = "CREATE TABLE fresh (LIKE sessions INCLUDING ALL) WITH (" + options + ")"
	}
	for _, statement := range []string{create, "INSERT INTO fresh SELECT " + t.pick("key", "`key`") + ", " + columns + " FROM sessions ORDER BY " + order} {
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

package main

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/integration_test/servers"
)

// loads asks whether a large table is slower to load from than a small one.
func loads(ctx context.Context, b *bench) (err error) {
	var tables [2]*table
	counts := [2]int{10_000, b.rows}
	for i, n := range counts {
		if tables[i], err = b.table(ctx, ""); err != nil {
			return err
		}
		defer func() { err = joinClose(err, tables[i]) }()
		if err := tables[i].build(ctx, n); err != nil {
			return err
		}
		if err := tables[i].settle(ctx); err != nil {
			return err
		}
	}
	size, err := tables[1].bytes(ctx, "sessions")
	if err != nil {
		return err
	}
	b.detailf("%d rows take %.1f MB with their indexes (built in the order of the keys)", b.rows, mb(size))
	if err := tables[1].warm(ctx); err != nil {
		return err
	}
	for _, how := range []struct {
		name    string
		callers int
		store   func(*table) sessions.Store
	}{
		{"1 caller", 1, func(t *table) sessions.Store { return t.store }},
		{"16 callers", 16, func(t *table) sessions.Store { return t.store }},
		{"16 callers, OneByOne", 16, func(t *table) sessions.Store { return t.alone }},
		{"64 callers", 64, func(t *table) sessions.Store { return t.store }},
		{"64 callers, OneByOne", 64, func(t *table) sessions.Store { return t.alone }},
	} {
		var ratios []float64
		var rates [2][]float64
		for round := range b.size(5, 3) + 1 {
			var rate [2]float64
			for i := range tables {
				at := (i + round) % 2
				if rate[at], err = loading(ctx, how.store(tables[at]), counts[at], how.callers, time.Duration(b.size(1000, 400))*time.Millisecond); err != nil {
					return err
				}
			}
			if round == 0 {
				continue // to warm up
			}
			ratios = append(ratios, rate[0]/rate[1])
			rates[0], rates[1] = append(rates[0], rate[0]), append(rates[1], rate[1])
		}
		slices.Sort(ratios)
		slices.Sort(rates[0])
		slices.Sort(rates[1])
		m := len(ratios) / 2
		b.resultf(ratios[m] <= 1.3, "1.3 or less", "%s: %.0f loads a second from %d rows, %.0f from %d: %.2f times (%d rounds in turn, %.2f to %.2f)",
			how.name, rates[0][m], counts[0], rates[1][m], counts[1], ratios[m], len(ratios), ratios[0], ratios[len(ratios)-1])
	}
	return nil
}

// buildChunk is how many rows one statement of build inserts.
const buildChunk = 200_000

// build inserts n live rows whose keys are even over their range and grow, so that a table larger
// than the cache is made in minutes. place says which they are.
func (t *table) build(ctx context.Context, n int) error {
	for from := 0; from < n; from += buildChunk {
		if _, err := t.exec(ctx, fmt.Sprintf(t.pick(
			`INSERT INTO sessions SELECT decode(lpad(to_hex(i * %[3]d::bigint), 16, '0') || md5('a' || i) || substr(md5('b' || i), 1, 16), 'hex'),
				'h' || lpad(i::text, 10, '0'), CASE i %% 2 WHEN 0 THEN 'user' || lpad(i::text, 10, '0') END, `+document+`, 1,
				now(), now() + interval '30 days', now() + interval '24 hours' + i %% 24 * interval '1 hour',
				date_trunc('hour', now()) + interval '25 hours' + i %% 24 * interval '1 hour' FROM generate_series(%[1]d::bigint, %[2]d) AS i`,
			`INSERT INTO sessions WITH RECURSIVE d AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM d WHERE i < 999)
				SELECT UNHEX(CONCAT(LPAD(HEX(i * %[3]d), 16, '0'), MD5(CONCAT('a', i)), SUBSTR(MD5(CONCAT('b', i)), 1, 16))),
				CONCAT('h', LPAD(i, 10, '0')), CASE i %% 2 WHEN 0 THEN CONCAT('user', LPAD(i, 10, '0')) END, `+documentMySQL+`, 1,
				UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL 30 DAY, UTC_TIMESTAMP(6) + INTERVAL 24 + i %% 24 HOUR,
				DATE_FORMAT(UTC_TIMESTAMP(), '%%Y-%%m-%%d %%H:00:00') + INTERVAL 25 + i %% 24 HOUR
				FROM (SELECT %[1]d + a.i * 1000 + b.i AS i FROM d AS a JOIN d AS b WHERE a.i < 200) AS n WHERE i <= %[2]d ORDER BY i`),
			from, min(from+buildChunk, n)-1, place(n))); err != nil {
			return fmt.Errorf("build the table: %w", err)
		}
		if done := from + buildChunk; done%1_000_000 == 0 {
			t.progressf("%d rows", done)
		}
	}
	return nil
}

// place is how far apart the keys of n rows are.
func place(n int) int { return (1 << 62) / n }

// built is the key of row i of n.
func built(i, n int) sessions.RowKey {
	key := binary.BigEndian.AppendUint64(make([]byte, 0, 32), uint64(i*place(n)))
	a, b := md5.Sum(fmt.Appendf(nil, "a%d", i)), md5.Sum(fmt.Appendf(nil, "b%d", i))
	return sessions.RowKey(append(append(key, a[:]...), b[:8]...))
}

// warm reads all rows once by their keys, so that cache holds what it can.
func (t *table) warm(ctx context.Context) error {
	t.progressf("reads the table once")
	if t.engine == servers.MySQL {
		_, err := t.int(ctx, "SELECT SUM(LENGTH(data)) FROM sessions FORCE INDEX (PRIMARY)")
		return err
	}
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	// A scan of the whole table would leave it out of the cache, and the index, too.
	if _, err := tx.ExecContext(ctx, "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL max_parallel_workers_per_gather = 0"); err != nil {
		return err
	}
	var sum int64
	return tx.QueryRowContext(ctx, "SELECT sum(length(data::text)) FROM sessions WHERE key >= ''").Scan(&sum)
}

// loading returns how many random loads a second so many callers get.
func loading(ctx context.Context, store sessions.Store, n, callers int, span time.Duration) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for range callers {
		all.Go(func() {
			for time.Since(start) < span && ctx.Err() == nil {
				r, err := store.Load(ctx, built(rand.IntN(n), n))
				if err == nil && len(r.Data) < 200 {
					err = errors.New("a row without its data")
				}
				if err != nil {
					cancel(err)
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(start).Seconds(), context.Cause(ctx)
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// A table is the migrated table in a database of its own, with a store on it.
type table struct {
	*bench.Database
	*scale

	store driver.Store
}

func (t *table) exec(ctx context.Context, query string) (int64, error) {
	result, err := t.DB.ExecContext(ctx, query)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (t *table) int(ctx context.Context, query string) (n int64, err error) {
	err = t.DB.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

// born is the first part of the IDs that fill gives: dead rows are older than live ones.
var born = map[string]string{"dead": "0190", "live": "0198"}

// liveRef refers to the live row i of fill, as both servers compute it. As in real traffic, the IDs are
// of version 7 and grow from row to row.
func liveRef(i int) driver.Ref {
	sum := sha256.Sum256([]byte("live" + strconv.Itoa(i)))
	digits := hex.AppendEncode(nil, sum[:uuid.Size])
	copy(digits, fmt.Appendf(nil, "%s%08x7", born["live"], i))
	digits[16] = '8'
	var id [uuid.Size]byte
	_, _ = hex.Decode(id[:], digits) // digits they are
	return driver.Ref{ID: driver.ID(uuid.Format(id)), Verifier: driver.Verifier(sum[:])}
}

// fill has the server insert n rows of a kind: "live" for a day, or "dead" for hours. Dead rows end
// in about the order in which they were made. Each has some 300 bytes that compress little.
func (t *table) fill(ctx context.Context, kind string, n int) error {
	times := t.Pick(`now() - interval '1 day', now() + interval '29 days', now() + interval '24 hours',
		date_bin('2 hours', now(), '2000-01-01 00:00:00Z') + interval '26 hours'`,
		`UTC_TIMESTAMP(6) - INTERVAL 1 DAY, UTC_TIMESTAMP(6) + INTERVAL 29 DAY, UTC_TIMESTAMP(6) + INTERVAL 24 HOUR,
		DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:00:00') + INTERVAL 25 HOUR`)
	if kind == "dead" {
		times = fmt.Sprintf(t.Pick(`now() - interval '9 days', now() + interval '20 days',
			now() - (2 + (i::bigint * 48 / %[1]d + i::bigint * 7919 %% 3) %% 48) * interval '1 hour',
			date_trunc('hour', now()) - (1 + (i::bigint * 48 / %[1]d + i::bigint * 7919 %% 3) %% 48) * interval '1 hour'`,
			`UTC_TIMESTAMP(6) - INTERVAL 9 DAY, UTC_TIMESTAMP(6) + INTERVAL 20 DAY,
			UTC_TIMESTAMP(6) - INTERVAL (2 + (i * 48 DIV %[1]d + i * 7919 %% 3) %% 48) HOUR,
			DATE_FORMAT(UTC_TIMESTAMP(), '%%Y-%%m-%%d %%H:00:00') - INTERVAL (1 + (i * 48 DIV %[1]d + i * 7919 %% 3) %% 48) HOUR`), n)
	}
	const chunk = 100_000
	for from := 0; from < n; from += chunk {
		if _, err := t.exec(ctx, fmt.Sprintf(t.Pick(
			`INSERT INTO sessions (id, verifier, user_id, data, version, created_at, absolute_expires_at, expires_at, reap_after, seen_at)
				SELECT overlay(overlay(left(encode(sha256(('%[1]s' || i)::bytea), 'hex'), 32) PLACING '%[5]s' || lpad(to_hex(i), 8, '0') || '7' FROM 1) PLACING '8' FROM 17)::uuid,
				sha256(('%[1]s' || i)::bytea), CASE i %% 2 WHEN 0 THEN 'user' || i END,
				('{"user_name":"user' || i || '","count":1,"cart":"' || encode(sha256(i::text::bytea), 'hex') || encode(sha256((-i)::text::bytea), 'hex') ||
					encode(sha256(('a' || i)::bytea), 'hex') || encode(sha256(('b' || i)::bytea), 'hex') || '"}')::json, 1, %[2]s, now()
				FROM generate_series(%[3]d, %[4]d) AS i`,
			`INSERT INTO sessions (id, verifier, user_id, data, version, created_at, absolute_expires_at, expires_at, reap_after, seen_at)
				WITH RECURSIVE d AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM d WHERE i < 999)
				SELECT UNHEX(INSERT(INSERT(LEFT(SHA2(CONCAT('%[1]s', i), 256), 32), 1, 13, CONCAT('%[5]s', LPAD(HEX(i), 8, '0'), '7')), 17, 1, '8')),
				UNHEX(SHA2(CONCAT('%[1]s', i), 256)), CASE i %% 2 WHEN 0 THEN CONCAT('user', i) END,
				CONCAT('{"user_name":"user', i, '","count":1,"cart":"', SHA2(i, 256), SHA2(-i, 256), SHA2(CONCAT('a', i), 256), SHA2(CONCAT('b', i), 256), '"}'), 1, %[2]s, UTC_TIMESTAMP(6)
				FROM (SELECT %[3]d + a.i * 1000 + b.i AS i FROM d AS a JOIN d AS b WHERE a.i < 100) AS n WHERE i <= %[4]d ORDER BY i`),
			kind, times, from, min(from+chunk, n)-1, born[kind])); err != nil {
			return fmt.Errorf("fill the table: %w", err)
		}
	}
	return nil
}

// settle brings statistics and pages to rest.
func (t *table) settle(ctx context.Context) (err error) {
	if _, err = t.exec(ctx, t.Pick("VACUUM (ANALYZE) sessions", "ANALYZE TABLE sessions")); err == nil && t.Postgres() {
		_, err = t.exec(ctx, "CHECKPOINT")
	}
	return err
}

// userOf is the user that fill gives row i.
func userOf(i int) string {
	if i%2 == 1 {
		return ""
	}
	return fmt.Sprintf("user%d", i)
}

// data is about as long as that of fill.
func data(more int) []byte {
	return fmt.Appendf(nil, `{"user_name":"user","count":%d,"cart":"%s"}`, more, bench.Text(230+more))
}

func mb(n int64) float64 { return float64(n) / (1 << 20) }

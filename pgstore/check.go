package pgstore

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sqlsessions/sessions/internal/pgerr"
	"github.com/sqlsessions/sessions/internal/retry"
)

// A checked is a db of which one connection was looked at before its first statement, because a
// setting of the server, the database, the role or the DSN can change what statements mean.
type checked struct {
	db
	done atomic.Bool
}

func (c *checked) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := c.check(ctx); err != nil {
		return 0, err
	}
	return c.db.exec(ctx, query, args...)
}

func (c *checked) query(ctx context.Context, take func(rows) error, query string, args ...any) error {
	if err := c.check(ctx); err != nil {
		return err
	}
	return c.db.query(ctx, take, query, args...)
}

func (c *checked) check(ctx context.Context) error {
	if c.done.Load() {
		return nil
	}
	var client, server, dates, binary string
	err := c.db.query(ctx, func(r rows) error { return r.Scan(&client, &server, &dates, &binary) },
		`SELECT current_setting('client_encoding'), current_setting('server_encoding'), current_setting('DateStyle'), current_setting('bytea_output')`)
	if err == nil {
		err = pgerr.Encoding(client, server)
	}
	if err == nil && (!strings.HasPrefix(dates, "ISO") || binary != "hex") {
		err = c.read(ctx, dates, binary)
	}
	if err == nil {
		c.done.Store(true)
	}
	return err
}

// read makes sure that the driver can read times and bytes. As text they have a form that depends
// on settings.
func (c *checked) read(ctx context.Context, dates, binary string) error {
	want := time.Date(2001, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	var at instant
	var data []byte
	err := c.db.query(ctx, func(r rows) error { return r.Scan(&at, &data) },
		`SELECT timestamptz '2001-02-03 04:05:06.789+00', decode('00ff5c', 'hex')`)
	if err == nil && at.Equal(want) && bytes.Equal(data, []byte("\x00\xff\x5c")) ||
		pgerr.State(err) != "" || unsent(err) || retry.Lost(err) || connecting(err) || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("the driver gets times and bytes as text, and can't read them with DateStyle %q and bytea_output %q; "+
		"add datestyle=ISO and bytea_output=hex to the DSN", dates, binary)
}

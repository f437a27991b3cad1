package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/cmd/sessions/internal/target"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/express/mysqlsession"
	"github.com/sqlsessions/sessions/express/pgsimple"
	"github.com/sqlsessions/sessions/express/takeover"
	"github.com/sqlsessions/sessions/internal/wire"
	"github.com/sqlsessions/sessions/migrations"
)

// A source is the flags of the command that name the old table.
type source struct {
	*app
	kind                   string
	url, fromTable, schema string
	id, data, expiry       string // the columns' names
	userKey                string
	lifetime               time.Duration
	untilText              string
	until                  time.Time
	asJSON                 bool
}

// kinds are the Node packages whose tables can be imported, with their databases.
var kinds = map[string]migrations.Dialect{
	"connect-pg-simple":     migrations.PostgreSQL,
	"express-mysql-session": migrations.MySQL,
}

func newImport(a *app) *cobra.Command {
	s := &source{app: a}
	cmd := &cobra.Command{ //nolint:gosec // the passwords in it are examples
		Use:   "import",
		Short: "Copy the live sessions of an Express application",
		Long: `Copies the live sessions of an Express application into the table of this
package, and leaves the old table as it is, so the application can keep running.
Run it as often as you like: it copies new sessions, updates copies and ends those
whose original is not in the old table any more. A session that ended here is not
copied again.

The copies are used once your program accepts the old cookies: see
package takeover, and From.ImportedOnly there for the time after the last import.

Exit codes: 0 done, 1 failed, 5 some sessions can't be stored here; the log
says which, by a name that is not secret, and why.`,
		Example: `  sessions import --from connect-pg-simple
  sessions import --from connect-pg-simple --from-table user_sessions --user-key passport.user
  sessions import --from express-mysql-session --from-url mysql://app:secret@old.example.com/shop`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { // before a database is opened
			if _, known := kinds[s.kind]; !known {
				return usagef("--from must be connect-pg-simple or express-mysql-session")
			}
			if s.lifetime < time.Second || s.lifetime > 400*24*time.Hour {
				return usagef("--lifetime %v: use 1s to 9600h (400 days), the Lifetime of your program", s.lifetime)
			}
			return s.parseUntil(time.Now())
		},
		RunE: a.on(target.Job{}, context.WithCancel, func(ctx context.Context, cmd *cobra.Command, to *target.Target) error {
			return s.run(ctx, to, cmd.OutOrStdout(), cmd.ErrOrStderr())
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&s.kind, "from", "", "`package` that wrote the old table: connect-pg-simple or\nexpress-mysql-session")
	flags.StringVar(&s.url, "from-url", "", "`URL` of the old database (default: the same database)")
	flags.StringVar(&s.fromTable, "from-table", "", "`name` of the old table (default: that package's)")
	flags.StringVar(&s.schema, "from-schema", "", "`name` of the schema that the old table is in")
	flags.StringVar(&s.id, "from-id-column", "", "`name` of its column of session IDs (default: that package's)")
	flags.StringVar(&s.data, "from-data-column", "", "`name` of its column of JSON (default: that package's)")
	flags.StringVar(&s.expiry, "from-expiry-column", "", "`name` of its column of expiries (default: that package's)")
	flags.StringVar(&s.userKey, "user-key", "", "where a session holds its user, as `names` joined by\ndots: userId, passport.user")
	flags.DurationVar(&s.lifetime, "lifetime", 30*24*time.Hour,
		"how `long` a copy can wait for its user, if its original\nlives that long: the Lifetime of your program, such as\n720h for 30 days")
	flags.StringVar(&s.untilText, "until", "", "`date` from which old cookies mean nothing, 2027-06-01:\n"+
		"the Until of your program, or later (default: a year from now)")
	flags.BoolVar(&s.asJSON, "json", false, "print the counts as JSON")
	choices(cmd, "from", "connect-pg-simple", "express-mysql-session")
	return cmd
}

func (s *source) run(ctx context.Context, to *target.Target, out, errOut io.Writer) error {
	if err := s.checkVersion(ctx, to); err != nil {
		return err
	}
	old := s.Options
	old.URL, old.Table, old.Schema = cmp.Or(s.url, s.DatabaseURL()), migrations.DefaultTable, ""
	from, err := old.Open(ctx, target.Job{})
	if err != nil {
		return fmt.Errorf("the old database: %w", err)
	}
	defer from.DB.Close()
	if from.Dialect != kinds[s.kind] {
		return usagef("%s stores its sessions in another kind of database; name it with --from-url", s.kind)
	}
	log := s.logger(errOut, slog.LevelError)
	manager, total, err := s.manager(ctx, to, from, log)
	if err != nil {
		return s.explain(err, from, to, from)
	}
	show := newSilent()
	switch {
	case s.quiet:
	case isTerminal(errOut):
		show = newBar(errOut, total, "reading")
	default:
		show = newLines(errOut, time.Now, "read %s so far\n", "session")
	}
	report, err := takeover.Import(ctx, manager, func(r takeover.Report) { show.set(r.Read) })
	show.end()
	if err != nil {
		return fmt.Errorf("%w; it had copied %s; run it again to continue", s.explain(err, to, to, from), target.Plural(report.Copied+report.Updated, "session"))
	}
	if err := s.print(out, report); err != nil {
		return err
	}
	if report.Skipped > 0 {
		return &exitError{code: exitWarnings}
	}
	return nil
}

// parseUntil reads a date or a time of RFC 3339.
func (s *source) parseUntil(now time.Time) error {
	if s.untilText == "" {
		s.until = now.AddDate(1, 0, 0)
		return nil
	}
	var err error
	if s.until, err = time.Parse(time.DateOnly, s.untilText); err != nil {
		s.until, err = time.Parse(time.RFC3339, s.untilText)
	}
	switch {
	case err != nil:
		return usagef("--until %q is no date such as 2027-06-01", s.untilText)
	case !s.until.After(now):
		return usagef("--until %s is over: give the time from which your program takes no old cookies", s.untilText)
	}
	return nil
}

// explain says what an error of either database means. What does not fit in the old table is
// the Express application's, so no migration of ours mends it.
func (s *source) explain(err error, at, to, from *target.Target) error {
	var old *wire.OldError
	if errors.As(err, &old) {
		err, at = old.Err, from
	}
	switch {
	case at != from:
		return to.Explain(err)
	case errors.Is(err, sessions.ErrSchema):
		what := strings.ReplaceAll(target.OneLine(errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))), sessions.ErrSchema.Error()+": ", "")
		what = strings.TrimPrefix(what, strings.TrimPrefix(sessions.ErrSchema.Error(), "sessions: ")+": ")
		return fmt.Errorf("the old table: %s (check --from, --from-url, --from-schema, --from-table and the flags for its columns)", what)
	case target.Denied(err):
		return fmt.Errorf("the old table: user %q may not read it: grant SELECT on it (%w)", from.User, target.Cause(err))
	}
	return from.Explain(err)
}

// manager returns one that takes over from the old table, and how many live sessions that has.
func (s *source) manager(ctx context.Context, to, from *target.Target, log *slog.Logger) (*sessions.Manager, int, error) {
	var store sessions.Store
	var err error
	open, cancel := s.limit(ctx)
	defer cancel()
	if from.Dialect == migrations.PostgreSQL {
		store, err = pgsimple.Open(open, from.DB, pgsimple.Options{
			Table: s.fromTable, Schema: s.schema, SID: s.id, Sess: s.data, Expire: s.expiry, Logger: log,
		})
	} else {
		store, err = mysqlsession.Open(open, from.DB, mysqlsession.Options{
			Table: s.fromTable, Schema: s.schema, SessionID: s.id, Data: s.data, Expires: s.expiry, Logger: log,
		})
	}
	if err != nil {
		return nil, 0, err
	}
	stats, err := store.Stats(open)
	if err != nil {
		return nil, 0, err
	}
	// No cookie is read or signed here.
	old, err := express.New(store, express.Options{Secrets: []string{rand.Text()}, Sessions: sessions.Options{Logger: log}})
	if err != nil {
		return nil, 0, err
	}
	m, err := takeover.New(to.Store, sessions.Options{
		Secrets: [][]byte{[]byte(rand.Text() + rand.Text())}, Logger: log, MaxBytes: 1 << 20,
		Lifetime: s.lifetime, IdleTimeout: min(s.lifetime, 24*time.Hour),
	}, takeover.From{Manager: old, Until: s.until, UserKey: s.userKey})
	return m, stats.Live, err
}

func (s *source) print(out io.Writer, r takeover.Report) error {
	if s.asJSON {
		return printJSON(out, struct {
			takeover.Report
			Verified bool `json:"verified"`
		}{r, r.Verified()})
	}
	copies := "copies"
	if r.Removed == 1 {
		copies = "copy"
	}
	_, err := fmt.Fprintf(out, "%s of the old table: %d copied, %d updated, %d unchanged, %d ended here, %d skipped; %d %s that had ended there removed here\n",
		target.Plural(r.Read, "live session"), r.Copied, r.Updated, r.Unchanged, r.Ended, r.Skipped, r.Removed, copies)
	return err
}

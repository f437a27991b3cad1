package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/express"
	"github.com/sqlsessions/sessions/express/mysqlsession"
	"github.com/sqlsessions/sessions/express/pgsimple"
	"github.com/sqlsessions/sessions/express/takeover"
	"github.com/sqlsessions/sessions/migrations"
)

// A source is the flags of the command that name the old table.
type source struct {
	*app
	kind                   string
	url, fromTable, schema string
	userKey                string
	lifetime               time.Duration
	asJSON                 bool
}

// kinds are the Node packages whose tables can be imported.
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
package, and leaves the old table as it is, so that the application can go on
meanwhile. Run it as often as you like: it copies what is new, brings copies up to
date and removes those whose original has ended.

The copies count when your program accepts the old cookies: see
package takeover, and From.ImportedOnly there for the time after the last import.

Exit codes: 0 done, 1 failed, 5 some sessions can't be kept here; the log says
which, by a name that is not secret, and why.`,
		Example: `  sessions import --from connect-pg-simple
  sessions import --from connect-pg-simple --from-table user_sessions --user-key passport.user
  sessions import --from express-mysql-session --from-url mysql://app:secret@old.example.com/shop`,
		Args: cobra.NoArgs,
		RunE: asFailure(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return s.run(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&s.kind, "from", "", "`package` that keeps the old table: connect-pg-simple or\nexpress-mysql-session")
	flags.StringVar(&s.url, "from-url", "", "`URL` of the old database (default: the same database)")
	flags.StringVar(&s.fromTable, "from-table", "", "`name` of the old table (default: that package's)")
	flags.StringVar(&s.schema, "from-schema", "", "`name` of the schema that the old table is in")
	flags.StringVar(&s.userKey, "user-key", "", "where a session says whose it is, as `names` joined by\ndots: userId, passport.user")
	flags.DurationVar(&s.lifetime, "lifetime", 30*24*time.Hour, "absolute limit that begins with the import,\nthe Lifetime of your program")
	flags.BoolVar(&s.asJSON, "json", false, "print the counts as JSON")
	for _, name := range []string{"from-url", "from-table", "from-schema", "user-key", "lifetime"} {
		// The flags were just defined, which is the one thing this can fail on.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = cmd.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]cobra.Completion{"connect-pg-simple", "express-mysql-session"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (s *source) run(ctx context.Context, out, errOut io.Writer) error {
	dialect, ok := kinds[s.kind]
	if !ok {
		return usagef("--from must be connect-pg-simple or express-mysql-session")
	}
	to, err := s.connect(ctx, job{needs: looking})
	if err != nil {
		return err
	}
	defer to.db.Close()
	if err := to.fits(ctx); err != nil {
		return err
	}
	old := *s.app
	old.url, old.table, old.schema = cmp.Or(s.url, s.databaseURL()), migrations.DefaultTable, ""
	from, err := old.connect(ctx, job{needs: looking})
	if err != nil {
		return fmt.Errorf("the old database: %w", err)
	}
	defer from.db.Close()
	if from.dialect != dialect {
		return usagef("%s keeps its sessions in another kind of database; name it with --from-url", s.kind)
	}
	level := slog.LevelInfo
	if s.quiet {
		level = slog.LevelError
	}
	log := slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: level}))
	manager, total, err := s.manager(ctx, to, from, log)
	if err != nil {
		return from.explain(err)
	}
	show := s.progress(errOut, total)
	report, err := takeover.Import(ctx, manager, func(r takeover.Report) { show.set(r.Read) })
	show.end()
	if err != nil {
		return fmt.Errorf("%w; it had copied %s, and goes on when it is run again", to.explain(err), plural(report.Copied+report.Updated, "session"))
	}
	if err := s.print(out, report); err != nil {
		return err
	}
	if report.Skipped > 0 {
		return &exitError{code: exitWarnings}
	}
	return nil
}

// manager is one that takes over from the old table, and how many sessions live there.
func (s *source) manager(ctx context.Context, to, from *database, log *slog.Logger) (*sessions.Manager, int, error) {
	var store sessions.Store
	var err error
	open, cancel := s.limit(ctx)
	defer cancel()
	if from.dialect == migrations.PostgreSQL {
		store, err = pgsimple.Open(open, from.db, pgsimple.Options{Table: s.fromTable, Schema: s.schema, Logger: log})
	} else {
		store, err = mysqlsession.Open(open, from.db, mysqlsession.Options{Table: s.fromTable, Schema: s.schema, Logger: log})
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
	m, err := takeover.New(to.store, sessions.Options{
		Secrets: [][]byte{[]byte(rand.Text() + rand.Text())}, Logger: log, MaxBytes: 1 << 20,
		Lifetime: s.lifetime, IdleTimeout: min(s.lifetime, 24*time.Hour),
	}, takeover.From{Manager: old, Until: time.Now().Add(24 * time.Hour), UserKey: s.userKey})
	return m, stats.Live, err
}

func (s *source) progress(w io.Writer, total int) *progress {
	if s.quiet {
		return &progress{}
	}
	if file, ok := w.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return newLines(w, time.Now, "read %s so far\n", "session")
	}
	return newBar(w, total, "reading")
}

func (s *source) print(out io.Writer, r takeover.Report) error {
	if s.asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			takeover.Report
			Verified bool `json:"verified"`
		}{r, r.Verified()})
	}
	_, err := fmt.Fprintf(out, "%s of the old table: %d copied, %d updated, %d unchanged, %d skipped; %s that had ended there removed here\n",
		plural(r.Read, "live session"), r.Copied, r.Updated, r.Unchanged, r.Skipped, copies(r.Removed))
	return err
}

func copies(n int) string {
	if n == 1 {
		return "1 copy"
	}
	return fmt.Sprintf("%d copies", n)
}

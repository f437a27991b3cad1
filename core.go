package sessions

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/deadline"
	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/gate"
	"github.com/sqlsessions/sessions/internal/ops"
	"github.com/sqlsessions/sessions/internal/reply"
	"github.com/sqlsessions/sessions/internal/rows"
	"github.com/sqlsessions/sessions/internal/seldom"
	"github.com/sqlsessions/sessions/internal/signin"
	"github.com/sqlsessions/sessions/internal/watch"
	"github.com/sqlsessions/sessions/internal/wire"
)

// pageSize is how many rows one statement lists or ends.
const pageSize = 500

// A core is what a manager's sessions share.
type core struct {
	store        driver.Store
	options      Options
	protocol     wire.Protocol
	predecessor  wire.Predecessor // or nil
	policy       wire.Policy
	timeout      *deadline.Limit
	timeouts     rows.Timeouts
	gate         gate.Gate
	watch        *watch.Watch
	warnWithheld sync.Once

	// What clients can have logged as often as they like.
	several, damaged, refused, past seldom.Line
	unfit, lost, panicked, misread  seldom.Line
}

func newWatch(store driver.Store, o *Options) *watch.Watch {
	return watch.New(watch.Options{
		Endings: store.Endings, Interval: o.WatchInterval, Timeout: o.Timeout,
		Cause: func(e driver.Ending) error { return &EndedError{reasonOf(e)} },
		Failed: func(err error) {
			o.logger().Warn("sessions: endings can't be found out; Session.Context ends late until they can", "error", err)
		},
	})
}

// limit bounds a request's work on the store by time only. If a hang-up cancelled
// the statement, the driver would close the connection, and a client could make us
// reconnect at will.
func (c *core) limit(ctx context.Context) *deadline.Context { return c.timeout.Context(ctx) }

// load returns the live session that ref proves. A row that can't be decoded
// counts as not there: its user gets a new session and not an error each time.
func (c *core) load(ctx context.Context, ref driver.Ref) (state, error) {
	row, err := c.store.Load(ctx, ref)
	if err != nil {
		return state{}, err
	}
	if row.ID != ref.ID || !row.Previous && !hmac.Equal([]byte(row.Verifier), []byte(ref.Verifier)) { // a driver or a collation mixed up two users
		return state{}, fmt.Errorf("sessions: the store returned another session's row")
	}
	if limit := 2 * c.options.MaxBytes; len(row.Data) > limit { // a JSON column adds spaces
		return state{}, fmt.Errorf("%w: %d bytes of JSON, more than twice MaxBytes, are not read; raise MaxBytes to keep them", ErrTooLarge, len(row.Data))
	}
	st, err := c.decode(row)
	if err != nil {
		c.damaged.Log(ctx, c.options.logger(), slog.LevelError, "sessions: a stored session is damaged and was ignored",
			"id", row.ID, "bytes", len(row.Data), "error", err)
		return state{}, ErrNotFound
	}
	return st, nil
}

func (c *core) decode(row driver.Row) (state, error) {
	if row.Version == 0 { // it would pass for a session that is not stored, which Destroy does not end
		return state{}, errors.New("a row of version 0, which no store writes")
	}
	doc, err := document.Decode(row.Data, c.protocol.Member())
	if err != nil {
		return state{}, err
	}
	cookie, err := c.protocol.Parse(doc.Get(document.Cookie))
	if err != nil {
		return state{}, err
	}
	both := ops.Contents{Doc: doc, Cookie: cookie}
	return state{row: row, read: time.Now(), base: both, now: both, user: row.User, id: row.ID}, nil
}

// fresh returns what a new session consists of. r is nil outside of a request.
func (c *core) fresh(r *http.Request) (ops.Contents, error) {
	a, err := c.protocol.Fresh(r)
	return ops.Contents{Doc: document.New(c.protocol.Member(), a.JSON()), Cookie: a}, err
}

// touch moves the idle expiry of a stored session whose cookie has these attributes: once in
// a touch interval, or at once.
func (c *core) touch(ctx context.Context, st *state, a wire.Attributes, atOnce bool) error {
	now, life := time.Now(), driver.Life{Idle: c.timeouts.Of(st.row.User, a)}
	if !atOnce {
		life.Throttle = c.timeouts.Interval(life.Idle)
	}
	if _, err := c.store.Touch(ctx, driver.TouchRequest{Ref: st.row.Ref, Life: life}); err != nil {
		return err
	}
	st.row, st.read = st.rowAt(now), now
	rows.Used(&st.row, now, life)
	return nil
}

// keepVisitor is how long the row of a visitor is kept that Destroy ended: for requests that
// still run, and for a create that was lost on the way and must not come late. No page says
// that a visitor was signed out.
const keepVisitor = time.Hour

func (c *core) keepEnded(user string) time.Duration {
	if user == "" {
		return min(c.options.KeepEnded, keepVisitor)
	}
	return c.options.KeepEnded
}

// grace is how long the token before the newest is accepted, if it was replaced for its age.
// A request that was under way at another time is no replay within it either.
const grace = 30 * time.Second

// end ends the session in the store, unless it has ended already.
func (c *core) end(ctx context.Context, ref driver.Ref, keep time.Duration, why Reason) error {
	err := c.store.End(ctx, driver.EndRequest{ID: ref.ID, Verifier: ref.Verifier, Reason: string(why), Keep: keep})
	switch {
	case err == nil:
		c.watch.Ended(ref.ID, &EndedError{why})
	case errors.Is(err, ErrNotFound):
		c.watch.Wake()
		return nil
	}
	return err
}

// endedError says why a session ended, and is just [ErrEnded] if it has another token by
// now or that can't be found out.
func (c *core) endedError(ctx context.Context, ref driver.Ref) error {
	endings, err := c.store.Endings(ctx, []driver.Ref{ref})
	if err != nil || len(endings) != 1 {
		return ErrEnded
	}
	return &EndedError{reasonOf(endings[0])}
}

// endOld ends what a request's old cookies open, if that is due, but for the session with
// the ID except.
func (c *core) endOld(ctx context.Context, due bool, r *http.Request, except driver.ID) error {
	if !due || c.predecessor == nil {
		return nil
	}
	return c.predecessor.End(ctx, r, except, string(ReasonLogout))
}

// maySignIn finds out what can be known of a sign-in before anything is stored or ended.
func (c *core) maySignIn(ctx context.Context, user string, began signin.Start, limited bool) (refused bool, err error) {
	if began.Elapsed() > signin.Longest {
		return false, fmt.Errorf("%w: the sign-in began more than %v ago", ErrTooLate, signin.Longest)
	}
	if !limited || !c.options.RefuseOverMax {
		return false, nil
	}
	refused, err = signin.Full(ctx, c.store, user, c.options.MaxPerUser)
	if err == nil && refused {
		err = fmt.Errorf("%w: MaxPerUser is %d", ErrLimit, c.options.MaxPerUser)
	}
	return refused, err
}

// admit finishes a sign-in whose row is stored. It fails, and ends the row, if the user was
// revoked since it began or has too many sessions, or if that can't be found out.
func (c *core) admit(ctx context.Context, row *driver.Row, began signin.Start, limited bool, life driver.Life) error {
	var limit *signin.Limit
	if limited {
		limit = &signin.Limit{
			Max: c.options.MaxPerUser, Refuse: c.options.RefuseOverMax, Reason: string(ReasonEvicted), Keep: c.options.KeepEnded, Life: life,
			Ended: func(id driver.ID) { c.watch.Ended(id, &EndedError{ReasonEvicted}) },
		}
	}
	verdict, err := signin.Admit(ctx, c.store, row, began, limit)
	why := ReasonRevokedUser
	switch {
	case err != nil:
		why = ReasonUnfinished
	case verdict == signin.Stays:
		return nil
	case verdict == signin.TooMany:
		why, err = ReasonEvicted, fmt.Errorf("%w: MaxPerUser is %d", ErrLimit, c.options.MaxPerUser)
	case verdict == signin.Over:
		err = c.endedError(ctx, row.Ref)
	default:
		err = &EndedError{why}
	}
	return errors.Join(err, c.end(ctx, row.Ref, c.options.KeepEnded, why))
}

// endAll ends what req selects, page by page.
func (c *core) endAll(ctx context.Context, req driver.EndAllRequest) (total int, err error) {
	for {
		result, err := c.store.EndAll(ctx, req)
		if total += result.Ended; result.Ended > 0 {
			c.watch.Wake()
		}
		if err != nil || !result.More {
			return total, err
		}
		req.After = result.Last
	}
}

// fail lets the error handler answer, and tells the operator what the client
// is not told.
func (c *core) fail(w http.ResponseWriter, r *http.Request, err error) {
	const text = "sessions: a request was answered by the error handler"
	ctx, log := r.Context(), c.options.logger()
	switch {
	case errors.Is(err, ErrEnded), errors.Is(err, ErrLimit), ctx.Err() != nil: // a logout won, or the client left
		c.refused.Log(ctx, log, slog.LevelInfo, text, "error", err)
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrSchema):
		log.ErrorContext(ctx, text, "error", err)
	default: // what a client sent may be too large, or no value
		c.unfit.Log(ctx, log, slog.LevelError, text, "error", err)
	}
	reply.Ask(c.options.ErrorHandler, DefaultErrorHandler, w, r, err)
}

// logWithheld spares a developer the search for the cookie that never comes.
func (c *core) logWithheld(text string) { c.warnWithheld.Do(func() { c.options.logger().Warn(text) }) }

// touchDue reports whether the session's use has to be noted in the store.
func (c *core) touchDue(st *state) bool {
	return st.stored() && !c.policy.NoTouch && c.timeouts.Due(st.rowAt(time.Now()), st.now.Cookie)
}

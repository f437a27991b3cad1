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
	"github.com/sqlsessions/sessions/internal/wire"
)

// A core is what a manager's sessions share.
type core struct {
	store        driver.Store
	options      Options
	protocol     wire.Protocol
	predecessor  wire.Predecessor // or nil
	policy       policy
	timeout      *deadline.Limit
	gate         *gate
	warnWithheld sync.Once
}

// limit bounds a request's work on the store by time only. If a hang-up cancelled
// the statement, the driver would close the connection, and a client could make us
// reconnect at will.
func (c *core) limit(ctx context.Context) *deadline.Context {
	return c.timeout.Context(ctx)
}

// load returns the live session that ref proves. A row that can't be decoded
// counts as not there: its user gets a new session and not an error each time.
func (c *core) load(ctx context.Context, ref driver.Ref) (state, error) {
	row, err := c.store.Load(ctx, ref)
	if err != nil {
		return state{}, err
	}
	if row.ID != ref.ID || !hmac.Equal([]byte(row.Verifier), []byte(ref.Verifier)) { // a driver or a collation mixed up two users
		return state{}, fmt.Errorf("sessions: the store returned another session's row")
	}
	st, err := c.decode(row)
	if err != nil {
		c.options.Logger.Error("sessions: a stored session is damaged and was ignored",
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
	both := contents{doc, cookie}
	return state{row: row, base: both, now: both, user: row.User, id: row.ID}, nil
}

// fresh returns what a new session consists of. r is nil outside of a request.
func (c *core) fresh(r *http.Request) (contents, error) {
	a, err := c.protocol.Fresh(r)
	return contents{document.New(c.protocol.Member(), a.JSON()), a}, err
}

// touch moves the idle expiry of a stored session whose cookie has these attributes.
func (c *core) touch(ctx context.Context, row *driver.Row, a wire.Attributes, throttle time.Duration) error {
	life := driver.Life{Idle: a.Idle(), Throttle: throttle}
	if _, err := c.store.Touch(ctx, driver.TouchRequest{Ref: row.Ref, Life: life}); err != nil {
		return err
	}
	row.ExpiresIn = min(life.Idle, row.AbsoluteIn)
	return nil
}

// end ends the session in the store, unless it has ended already.
func (c *core) end(ctx context.Context, ref driver.Ref) error {
	err := c.store.End(ctx, driver.EndRequest{ID: ref.ID, Verifier: ref.Verifier})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// fail lets the error handler answer, and tells the operator what the client
// is not told.
func (c *core) fail(w http.ResponseWriter, r *http.Request, err error) {
	level := slog.LevelError
	if errors.Is(err, ErrEnded) || r.Context().Err() != nil { // a logout won, or the client left
		level = slog.LevelInfo
	}
	c.options.Logger.Log(r.Context(), level, "sessions: a request was answered by the error handler", "error", err)
	answer := &answered{ResponseWriter: w}
	c.options.ErrorHandler(answer, r, err)
	if !answer.wrote { // net/http would turn silence into a 200
		DefaultErrorHandler(w, r, err)
	}
}

// answered notes whether an error handler wrote anything.
type answered struct {
	http.ResponseWriter
	wrote bool
}

func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answered) WriteHeader(status int) {
	a.wrote = true
	a.ResponseWriter.WriteHeader(status)
}

func (a *answered) FlushError() error {
	a.wrote = true
	return http.NewResponseController(a.ResponseWriter).Flush()
}

func (a *answered) Write(b []byte) (int, error) {
	a.wrote = true
	return a.ResponseWriter.Write(b)
}

// logWithheld spares a developer the search for the cookie that never comes.
func (c *core) logWithheld() {
	c.warnWithheld.Do(func() {
		c.options.Logger.Warn("sessions: a session was not kept, because its Secure cookie is not sent over plain HTTP. " +
			"Serve HTTPS; or, behind a proxy that ends TLS, let it set X-Forwarded-Proto and name its addresses in Options.TrustedProxies; " +
			"or, for development only, set Options.Cookie.Secure to sessions.SecureAuto. This is logged once.")
	})
}

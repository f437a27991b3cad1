// Package sessions keeps server-side HTTP sessions in a SQL database.
//
// A [Manager] wraps a handler. It loads the session that a request's cookie
// names before the handler runs, and saves what the handler changed before the
// first byte of the response leaves:
//
//	store := pgstore.New(db) // or mysqlstore, sqlitestore, memstore
//	manager, err := sessions.New(store, sessions.Options{Secrets: [][]byte{secret}})
//	...
//	http.ListenAndServe(addr, manager.Handler(mux))
//
// A handler reads and changes the session through typed keys:
//
//	var clicks = sessions.NewKey[int]("clicks")
//
//	func click(w http.ResponseWriter, r *http.Request) { // a POST: what only reads writes nothing
//		s := sessions.FromContext(r.Context())
//		n := clicks.Update(s, func(n int) int { return n + 1 })
//		...
//	}
//
// Most programs need [New], [Manager.Handler], [FromContext], [NewKey], the
// methods of [Session], and a [Reaper] that deletes what has expired.
//
// # Names
//
// A session has an ID and a token. The [ID] is its public name: it never
// changes, it appears in device lists and logs, and it opens nothing. The token
// is the secret that a cookie carries; it changes when a user signs in. What
// express-session and gorilla/sessions call a session ID is the token here.
//
// # Promises
//
// Parallel requests of one session do not lose each other's changes: a save
// that finds the row changed puts its own changes on top and tries again. A
// session that has ended never comes back, whatever request is still running.
// When the store is down, requests are answered with an error, and users stay
// logged in.
//
// # Contexts
//
// What the middleware loads and saves for a request is not bound to the request's
// context, so a client that hangs up neither loses a save nor half-finishes a
// logout. [Options].Timeout bounds it. [Session.Save] is the same. The other
// methods that take a context end with it, with an error that wraps
// context.Cause(ctx); a write that was already sent may still take effect. The
// values of the context reach the database driver either way.
package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/deadline"
	"github.com/sqlsessions/sessions/internal/fate"
	"github.com/sqlsessions/sessions/internal/reply"
	"github.com/sqlsessions/sessions/internal/rows"
	"github.com/sqlsessions/sessions/internal/seldom"
	"github.com/sqlsessions/sessions/internal/wire"
	"github.com/sqlsessions/sessions/observe"
)

// A Store keeps sessions. It is made by pgstore, mysqlstore, sqlitestore or
// memstore. Package driver describes the contract for stores of your own.
type Store = driver.Store

// A Manager gives requests their session. It is safe for concurrent use. Printing it
// shows the name of the cookie and nothing else.
type Manager struct {
	core core
}

// New returns a manager that keeps sessions in store. It does not touch the store.
// The error wraps [ErrInvalid] and lists everything that has to be changed in the
// options.
//
// Two managers need two tables, or each could revoke the other's sessions.
func New(store Store, options Options) (*Manager, error) {
	return newManager(store, options, nil, nil)
}

// newManager has this package's own protocol if p is nil.
func newManager(store Store, options Options, p wire.Protocol, from wire.Predecessor) (*Manager, error) {
	if p != nil {
		options.Lifetime = maxLifetime // unused, except that it bounds IdleTimeout
	}
	options = options.withDefaults()
	if err := options.validate(p == nil); err != nil {
		return nil, err
	}
	if store == nil {
		return nil, fmt.Errorf("%w: store is nil; use pgstore, mysqlstore, sqlitestore or memstore", ErrInvalid)
	}
	if p != nil {
		options.Lifetime = math.MaxInt64 // there is none
	} else {
		p = newNative(&options)
	}
	const some = 10 // lines a minute
	return &Manager{core{
		store: store, options: options, protocol: p, predecessor: from,
		policy: p.Policy(), timeout: deadline.New(options.Timeout), watch: newWatch(store, &options),
		timeouts: rows.Timeouts{Idle: options.IdleTimeout, Visitor: options.AnonymousTimeout, Touch: options.TouchInterval},
		unfit:    seldom.Line{Most: some}, lost: seldom.Line{Most: some}, panicked: seldom.Line{Most: some},
	}}, nil
}

// Format prints the name of the cookie and nothing else, for every verb.
func (m *Manager) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "sessions.Manager(%s)", m.core.protocol.Name())
}

type contextKey struct{}

// FromContext returns the request's session, or nil when there is none: the
// request did not come through [Manager.Handler], or [Options].Skip left it out.
// Using a nil session panics with a text that says so. Where managers are nested,
// FromContext returns the session of the innermost one that did not leave it out.
//
// It marks the response as one that depends on the cookie (Vary: Cookie).
func FromContext(ctx context.Context) *Session {
	s, _ := ctx.Value(contextKey{}).(*Session)
	if s != nil {
		s.accessed.Store(true)
	}
	return s
}

// Handler returns next with a session for each request: loaded before it runs,
// saved before the first byte of its response leaves. When the session can't be
// loaded, next does not run. When it can't be saved, nothing that next wrote
// leaves. In both cases [Options].ErrorHandler answers.
//
// If a change made after the first byte can't be saved, the connection is cut,
// so that the client does not take the response for complete. A panic of next
// saves nothing and passes on; middleware inside that recovers a panic should
// call [Session.Discard].
//
// When next has returned, the session can only be read: see [Session]. So put
// [http.TimeoutHandler] outside. A request that has a session of this manager
// already is left alone. Several managers may be nested.
func (m *Manager) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outer, _ := r.Context().Value(contextKey{}).(*Session)
		if m.core.options.Skip != nil && m.core.options.Skip(r) || m.sessionOf(r.Context()) != nil {
			next.ServeHTTP(w, r)
			return
		}
		s, err := m.open(r)
		if err != nil {
			m.core.fail(w, r, fmt.Errorf("%w: %w", ErrLoad, classify(err)))
			return
		}
		s.outer, s.parent = outer, context.WithValue(r.Context(), contextKey{}, s)
		rw := newResponseWriter(w, r, s)
		s.inner = r.WithContext(s.parent)
		defer reply.Return(s.inner, r)
		defer s.sealUp(false) // also after a panic
		defer rw.Recover()
		next.ServeHTTP(rw, s.inner)
		rw.finish()
	})
}

// sessionOf returns this manager's session in ctx, or nil.
func (m *Manager) sessionOf(ctx context.Context) *Session {
	s, _ := ctx.Value(contextKey{}).(*Session)
	for ; s != nil && s.core != &m.core; s = s.outer {
	}
	return s
}

// open returns the session that the request's token opens, or a new one. A token
// that opens nothing is forgotten: no client can choose its own.
func (m *Manager) open(r *http.Request) (*Session, error) {
	c := &m.core
	tokens, presented := c.protocol.Read(r)
	s, err := m.newSession(r, presented)
	if err != nil || !presented && c.predecessor == nil {
		return s, err
	}
	ctx := c.limit(r.Context())
	live := 0
	for _, token := range tokens {
		ref := c.protocol.Ref(token.Text)
		st, err := c.load(ctx, ref)
		switch {
		case errors.Is(err, ErrNotFound):
			ended, err := c.refuse(ctx, ref, err)
			if err != nil {
				return nil, err
			}
			if ended {
				s.others.dead = append(s.others.dead, ref)
			}
			continue
		case err != nil:
			return nil, err
		}
		switch rotated := live > 0 && st.row.ID == s.state.row.ID; {
		case rotated && st.row.Previous:
			continue
		case rotated: // the token that replaced the other
		case live > 0:
			live++
			s.others.live = append(s.others.live, st.row)
			continue
		default:
			live = 1
		}
		st.token = token.Text
		s.state, s.fate.Again, s.fate.Outdated = st, token.Old, st.row.Previous
	}
	if live > 1 {
		c.several.Log(ctx, c.options.logger(), slog.LevelWarn, "sessions: a request carried the cookies of several live sessions and was given none of them",
			"id", s.state.id, "other", s.others.live[0].ID)
		s.others.live = append(s.others.live, s.state.row)
		s.state, s.fate.Again, s.fate.Outdated = state{now: s.freshLocked()}, false, false
	}
	if live == 1 {
		s.others.dead = nil
		s.noteOwnCookie()
	}
	if live == 0 {
		st, err := c.takeOver(ctx, r)
		switch {
		case err == nil:
			s.state, s.fate.Inherited = st, true
			s.fate.IsNew, s.fate.Outdated = !st.row.Previous, st.row.Previous
		case !errors.Is(err, ErrNotFound):
			return nil, fmt.Errorf("take over: %w", err)
		}
	}
	return s, nil
}

// refuse deals with a token that opened nothing, and reports whether its session has ended.
// One that was replaced too long ago for a request that was under way is in the hands of two
// clients.
func (c *core) refuse(ctx context.Context, ref driver.Ref, why error) (ended bool, err error) {
	var replaced *driver.ReplacedError
	if !errors.As(why, &replaced) {
		return true, nil
	}
	if replaced.Ago <= grace {
		return false, nil
	}
	if o := c.options.Observer; o != nil && o.Refuse != nil {
		o.Refuse(ctx, observe.Refuse{Why: "replaced token", ID: ref.ID})
	}
	if !c.options.EndOnReplay {
		return false, nil
	}
	return true, c.end(ctx, ref, c.options.KeepEnded, ReasonReplay)
}

// newSession returns an empty session for a request.
func (m *Manager) newSession(r *http.Request, presented bool) (*Session, error) {
	s := &Session{core: &m.core, request: r, parent: r.Context(), began: time.Now()}
	withheld, secure := s.core.protocol.Sends(r)
	s.fate.Presented, s.fate.Secure = presented, secure
	if withheld {
		s.fate.Way = fate.Withheld
	}
	var err error
	s.state.now, err = s.core.fresh(r)
	return s, err
}

// Load returns the session that a token opens, for code without a request, such
// as a job or a gRPC call. The token is the cookie's value, signature included. Changes,
// Destroy included, are saved by [Session.Save], which moves the idle timeout when that is
// due; Load does not. Changes that need a new token are refused with [ErrTooLate]. The error wraps [ErrNotFound] for every
// token that opens no live session.
func (m *Manager) Load(ctx context.Context, token string) (*Session, error) {
	c := &m.core
	st, err := state{}, ErrNotFound
	verified, ok := c.protocol.Verify(token)
	if ok {
		limited, stop := context.WithTimeout(ctx, c.options.Timeout)
		defer stop()
		ref := c.protocol.Ref(verified.Text)
		st, err = c.load(limited, ref)
		if errors.Is(err, ErrNotFound) {
			_, failed := c.refuse(limited, ref, err)
			err = cmp.Or(failed, err)
		}
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, fmt.Errorf("%w: %w", ErrLoad, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrLoad, classify(err))
	}
	st.token = verified.Text
	return m.detached(ctx, st), nil
}

// detached returns a session without a request.
func (m *Manager) detached(ctx context.Context, st state) *Session {
	return &Session{core: &m.core, parent: ctx, state: st, fate: fate.Fate{Way: fate.Gone}, began: time.Now()}
}

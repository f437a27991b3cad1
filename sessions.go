// Package sessions keeps server-side HTTP sessions in a SQL database.
//
// A [Manager] wraps a handler. It loads the session that a request's cookie names
// before the handler runs, and saves what the handler changed before the first
// byte of the response leaves:
//
//	store := pgstore.New(db) // or mysqlstore, sqlitestore, memstore
//	manager, err := sessions.New(store, sessions.Options{Secrets: [][]byte{secret}})
//	...
//	http.ListenAndServe(addr, manager.Handler(mux))
//
// Inside, a handler reads and changes the session through typed keys:
//
//	var visits = sessions.NewKey[int]("visits")
//
//	func page(w http.ResponseWriter, r *http.Request) {
//		s := sessions.FromContext(r.Context())
//		n := visits.Update(s, func(n int) int { return n + 1 })
//		...
//	}
//
// Parallel requests of one session never lose each other's changes: a save
// that finds the row changed puts its own changes on top and tries again. A session
// that was logged out or revoked never comes back, whatever request is still
// running. When the store is down, requests are answered with an error and
// nobody is logged out.
//
// Most programs need [New], [Manager.Handler], [FromContext], [NewKey], the
// methods of [Session], and a [Reaper] that deletes what has expired.
package sessions

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/deadline"
	"github.com/sqlsessions/sessions/internal/wire"
)

// A Store keeps sessions. It is made by pgstore, mysqlstore, sqlitestore or
// memstore. Package driver describes the contract for stores of your own.
type Store = driver.Store

// An ID is a session's public name, a UUID in canonical text. It never changes
// and is of no use as a cookie, so it may be shown, logged and sent in a form.
// Convert what a client sends: sessions.ID(r.PostFormValue("id")).
type ID = driver.ID

// A Manager gives requests their session. It is safe for concurrent use.
type Manager struct {
	store        Store
	options      Options
	protocol     wire.Protocol
	policy       wire.Policy
	timeout      *deadline.Limit
	gate         *gate
	warnWithheld sync.Once
}

// New returns a manager that keeps sessions in store. The error wraps
// [ErrInvalid] and lists everything that has to be changed in the options.
func New(store Store, options Options) (*Manager, error) {
	options = options.withDefaults()
	if err := options.validate(); err != nil {
		return nil, err
	}
	if store == nil {
		return nil, fmt.Errorf("%w: store is nil; use pgstore, mysqlstore, sqlitestore or memstore", ErrInvalid)
	}
	return newManager(store, options, newNative(&options)), nil
}

// NewWithProtocol is for package express of this module, whose New calls it.
// Of the options it ignores those about the cookie and its secrets, Lifetime and
// Rolling, which are the protocol's.
func NewWithProtocol(store Store, options Options, protocol wire.Protocol) (*Manager, error) {
	options.Lifetime = maxLifetime // longer than any IdleTimeout
	options = options.withDefaults()
	if err := options.validateWork(); err != nil {
		return nil, err
	}
	if store == nil || protocol == nil {
		return nil, fmt.Errorf("%w: store or protocol is nil", ErrInvalid)
	}
	return newManager(store, options, protocol), nil
}

func newManager(store Store, options Options, protocol wire.Protocol) *Manager {
	return &Manager{
		store: store, options: options, gate: newGate(), protocol: protocol, policy: protocol.Policy(),
		timeout: deadline.New(options.Timeout),
	}
}

type contextKey struct{}

// FromContext returns the request's session. It panics when the request did
// not come through [Manager.Handler]; [Lookup] does not.
func FromContext(ctx context.Context) *Session {
	s, ok := Lookup(ctx)
	if !ok {
		panic("sessions: no session in this context: wrap the handler in Manager.Handler, " +
			"see that Options.Skip does not leave this request out, and pass on r.Context()")
	}
	return s
}

// Lookup returns the request's session, and false when it has none. Either
// marks the response as one that depends on the cookie (Vary: Cookie).
func Lookup(ctx context.Context) (*Session, bool) {
	s, ok := ctx.Value(contextKey{}).(*Session)
	if ok {
		s.accessed.Store(true)
	}
	return s, ok
}

// Handler returns next with a session for each request: loaded before it runs,
// saved before the first byte of its response leaves. When the session can't be
// loaded, next does not run; when it can't be saved, nothing that next wrote leaves;
// either way [Options.ErrorHandler] answers.
//
// If a change made after the first byte can't be saved, the connection is cut, so that the
// client does not take the response for complete. A panic of next saves
// nothing and passes on. A request that has a session of this manager already is left alone.
func (m *Manager) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.options.Skip != nil && m.options.Skip(r) || m.owns(r.Context()) {
			next.ServeHTTP(w, r)
			return
		}
		s, err := m.open(r)
		if err != nil {
			m.fail(w, r, err)
			return
		}
		rw := newResponseWriter(w, r, s)
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), contextKey{}, s)))
		rw.end()
	})
}

func (m *Manager) owns(ctx context.Context) bool {
	s, ok := ctx.Value(contextKey{}).(*Session)
	return ok && s.manager == m
}

// open returns the session that the request's token opens, or a new one. A token
// that opens nothing is forgotten: no client can choose its own.
func (m *Manager) open(r *http.Request) (*Session, error) {
	tokens, presented := m.protocol.Read(r)
	s, err := m.begin(r, presented)
	if err != nil || !presented && m.options.Predecessor == nil {
		return s, err
	}
	ctx := m.limit(r.Context())
	live := 0
	for _, token := range tokens {
		st, err := m.load(ctx, m.protocol.Ref(token.Text))
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, m.storeError("load", err)
		}
		if live++; live > 1 {
			m.options.Logger.Warn("sessions: a request carried the cookies of several live sessions and was given none of them",
				"id", s.state.id, "other", st.id)
			return m.begin(r, true)
		}
		st.token = token.Text
		s.state, s.sameCookie = st, token.Old
	}
	if live == 0 {
		st, err := m.takeOver(ctx, r)
		switch {
		case err == nil:
			s.state, s.newCookie, s.inherited = st, true, true
		case !errors.Is(err, ErrNotFound):
			return nil, m.storeError("take over", err)
		}
	}
	return s, nil
}

// begin returns a new session.
func (m *Manager) begin(r *http.Request, presented bool) (*Session, error) {
	s := &Session{manager: m, request: r, presented: presented}
	withheld, secure := m.protocol.Sends(r)
	if s.secure = secure; withheld {
		s.cookie = cookieWithheld
	}
	now, err := m.fresh(r)
	s.state.now = now
	return s, err
}

// limit bounds work on the store for a request, which a client that hangs up does not cut
// off: with the statement a driver closes the connection, and who asks and hangs up again and
// again would cost the database a new one each time.
func (m *Manager) limit(ctx context.Context) *deadline.Context {
	return m.timeout.Context(ctx)
}

// load returns the live session that ref proves. A row that can't be decoded
// counts as not there: its user gets a new session and not an error each time.
func (m *Manager) load(ctx context.Context, ref driver.Ref) (state, error) {
	row, err := m.store.Load(ctx, ref)
	if err != nil {
		return state{}, err
	}
	if row.ID != ref.ID || !hmac.Equal([]byte(row.Verifier), []byte(ref.Verifier)) { // a driver or a collation mixed up two users
		return state{}, fmt.Errorf("sessions: the store returned another session's row")
	}
	st, err := m.decode(row)
	if err != nil {
		m.options.Logger.Error("sessions: a stored session is damaged and was passed over",
			"id", row.ID, "bytes", len(row.Data), "error", err)
		return state{}, ErrNotFound
	}
	return st, nil
}

func (m *Manager) decode(row driver.Row) (state, error) {
	if row.Version == 0 { // it would pass for a session that is not stored, which Destroy does not end
		return state{}, errors.New("a row of version 0, which no store writes")
	}
	doc, err := decodeDocument(row.Data, m.protocol.Member())
	if err != nil {
		return state{}, err
	}
	attributes, _ := doc.get(cookieMember)
	if err := m.protocol.Usable(attributes); err != nil {
		return state{}, err
	}
	return state{row: row, base: doc, now: doc, user: row.User, id: row.ID}, nil
}

// Load returns the session that a token (a cookie's value) opens, for code that
// has no response to wrap, such as a websocket's or a job's. Changes are saved by
// [Session.Save], which moves the idle timeout when that is due; Load does not.
// Those that need a new token are refused with [ErrTooLate]. The error wraps
// [ErrNotFound] for every token that opens no live session.
func (m *Manager) Load(ctx context.Context, token string) (*Session, error) {
	verified, ok := m.protocol.Verify(token)
	if !ok {
		return nil, fmt.Errorf("sessions: load: %w", ErrNotFound)
	}
	limited, stop := context.WithTimeout(ctx, m.options.Timeout)
	defer stop()
	st, err := m.load(limited, m.protocol.Ref(verified.Text))
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("sessions: load: %w", ErrNotFound)
	}
	if err != nil {
		return nil, m.storeError("load", err)
	}
	st.token = verified.Text
	return &Session{manager: m, state: st, cookie: cookieGone}, nil
}

// end ends the session in the store, unless it has ended already.
func (m *Manager) end(ctx context.Context, ref driver.Ref) error {
	err := m.store.End(ctx, driver.EndRequest{ID: ref.ID, Verifier: ref.Verifier})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// fail lets the error handler answer, and tells the operator what the client
// is not told.
func (m *Manager) fail(w http.ResponseWriter, r *http.Request, err error) {
	level := slog.LevelError
	if errors.Is(err, ErrEnded) || r.Context().Err() != nil { // a logout won, or the client left
		level = slog.LevelInfo
	}
	m.options.Logger.Log(r.Context(), level, "sessions: a request was answered by the error handler", "error", err)
	answer := &answered{ResponseWriter: w}
	m.options.ErrorHandler(answer, r, err)
	if !answer.wrote { // or net/http would take silence for a 200
		DefaultErrorHandler(w, r, err)
	}
}

// logWithheld spares a developer the search for the cookie that never comes.
func (m *Manager) logWithheld() {
	m.warnWithheld.Do(func() {
		m.options.Logger.Warn("sessions: a session was not kept, because its Secure cookie is not sent over plain HTTP. " +
			"Serve HTTPS; or, behind a proxy that ends TLS, let it set X-Forwarded-Proto and name its addresses in Options.TrustedProxies; " +
			"or, for development only, set Options.Cookie.Secure to sessions.SecureAuto. This is said once.")
	})
}

// storeError gives an error of the store its place among the errors of this package.
func (m *Manager) storeError(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("sessions: %s: %w", doing, ErrEnded)
	}
	for _, known := range []error{ErrConflict, ErrEnded, ErrSchema, ErrTooLarge, ErrTooLate, ErrValue, ErrUnavailable} {
		if errors.Is(err, known) {
			return fmt.Errorf("sessions: %s: %w", doing, err)
		}
	}
	return fmt.Errorf("sessions: %s: %w: %w", doing, ErrUnavailable, err)
}

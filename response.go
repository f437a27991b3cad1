package sessions

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/sqlsessions/sessions/internal/fate"
	"github.com/sqlsessions/sessions/internal/reply"
)

// A responseWriter saves the session before the first byte of the response
// leaves. Like any http.ResponseWriter it is used by one goroutine at a time.
type responseWriter struct {
	reply.First
	session *Session
	before  http.Header // what was there before the handler ran
}

func newResponseWriter(w http.ResponseWriter, r *http.Request, s *Session) *responseWriter {
	rw := &responseWriter{session: s}
	rw.First = reply.First{ResponseWriter: w, Request: r, Before: rw}
	if len(w.Header()) > 0 {
		rw.before = w.Header().Clone()
	}
	return rw
}

// BeforeFirst saves the session and completes the header. An error means that the handler's
// answer must not leave.
func (w *responseWriter) BeforeFirst() error {
	return w.begin(w.session.save(w.Request.Context(), response))
}

// begin completes the header after the first save.
func (w *responseWriter) begin(err error) error {
	if err != nil {
		w.fail(err)
		return w.Failure
	}
	w.State = reply.Begun
	w.session.writeHeader(w.Header())
	return nil
}

// fail reverts what the handler did to the header and lets the error handler
// answer, on the writer below this one. A token that [Session.Save] stored before is
// sent all the same, because the one that the browser has is dead.
func (w *responseWriter) fail(err error) {
	w.State = reply.Failed
	w.Failure = err
	clear(w.Header())
	maps.Copy(w.Header(), w.before)
	if w.session.owesCookie() && !errors.Is(err, ErrEnded) {
		w.session.writeHeader(w.Header())
	}
	w.session.sealUp(true)
	w.session.core.fail(w.ResponseWriter, w.Request, err)
	w.Answered = true
}

// Hijack saves the session and hands over the connection. A session that
// needs a new cookie is refused, because the caller writes the header itself.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.State == reply.Failed {
		return nil, nil, w.Failure
	}
	before := w.session.closeCookie()
	err := w.session.save(w.Request.Context(), hijack)
	if errors.Is(err, errCookieGone) || err == nil && w.session.owesCookie() { // of a token that an earlier Save stored
		err = errTakenOver
	}
	if err == nil {
		var conn net.Conn
		var buf *bufio.ReadWriter
		if conn, buf, err = http.NewResponseController(w.ResponseWriter).Hijack(); err == nil {
			w.State = reply.Begun
			return conn, buf, nil
		}
	}
	w.session.reopenCookie(before) // the handler can still answer
	return nil, nil, fmt.Errorf("sessions: hijack: %w", err)
}

// finish saves what the handler changed after the header left. From then on the session can
// only be read.
func (w *responseWriter) finish() {
	if w.State == reply.Failed {
		return
	}
	if w.State == reply.Open && reply.Past(w.ResponseWriter) {
		w.State = reply.Begun
		w.session.past()
	}
	begun := w.State == reply.Begun
	err := w.session.saveLast(w.Request.Context(), begun)
	if !begun {
		_ = w.begin(err) // the error handler has answered
		return
	}
	if err == nil || w.session.saveErrorReported() {
		return
	}
	c := w.session.core
	c.lost.Log(w.Request.Context(), c.options.logger(), slog.LevelError, "sessions: a change made after the response had begun was lost; "+
		"make it earlier, or call Save and answer its error", "id", w.session.ID(), "error", err)
	if w.Request.Context().Value(http.ServerContextKey) != nil {
		panic(http.ErrAbortHandler) // the client must not take the response for complete
	}
}

// past notes that the answer has left without a cookie and without what caches must know.
func (s *Session) past() {
	s.closeCookie()
	if c := s.core; s.accessed.Load() {
		c.past.Log(s.parent, c.options.logger(), slog.LevelError, "sessions: an answer was written past the writer that Manager.Handler gave the handler, "+
			"so it could carry no cookie and no Vary; hand on that writer too, or put Manager.Handler around the whole framework", "id", s.ID())
	}
}

// saveLast saves what is left at the end of the request and seals the session in the same
// moment, so that a change of a goroutine that goes on is either saved or refused. begun
// says that the response has begun, so that only a change is a reason to save.
func (s *Session) saveLast(ctx context.Context, begun bool) (err error) {
	if err := s.hold(context.Background()); err != nil {
		s.sealUp(false)
		return storeError("save", err)
	}
	defer s.saving.Unlock()
	defer func() {
		if p := recover(); p != nil { // there is no handler any more whose panic it could be
			s.core.panicked.Log(ctx, s.core.options.logger(), slog.LevelError, "sessions: a save panicked",
				"panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = fmt.Errorf("sessions: save: %w: %w", ErrInvalid, errPanicked)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seal.outcome = err
	}()
	s.mu.Lock()
	s.seal.over = true
	nothing := begun && !s.pending.any() && s.err == nil
	s.mu.Unlock()
	if nothing {
		return nil
	}
	return s.write(ctx, response)
}

// sealUp ends a request whose handler panicked, or that the error handler has answered,
// which is in the log.
func (s *Session) sealUp(logged bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seal.close(logged)
}

// writeHeader puts the cookie, and what caches must know, into the header. After
// this no cookie can be sent.
func (s *Session) writeHeader(h http.Header) {
	if s.accessed.Load() {
		reply.AddVary(h)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fate.Close() == fate.Withheld {
		return
	}
	c, st := s.core, &s.state
	if s.fate.Inherited { // so that the next request asks one place only
		if name, line := c.predecessor.Drop(s.request, s.fate.Secure); line != "" && name != c.protocol.Name() {
			reply.SetCookie(h, name, line)
		}
	}
	// Browsers keep cookies apart by their attributes, so a dropped one needs its own.
	token, left, cookie := "", c.options.Lifetime, s.fate.Dropped
	switch {
	case st.stored() && (s.fate.Due() || c.policy.Rolling):
		token, left, cookie = st.token, min(st.rowAt(time.Now()).AbsoluteIn, c.timeouts.Of(st.row.User, st.now.Cookie)), nil
	case !s.fate.Drop:
		return
	}
	if cookie == nil {
		cookie = st.now.Cookie.Renewed(time.Now())
	}
	line := c.protocol.Line(token, cookie, left, s.fate.Secure)
	if line == "" {
		c.logWithheld(c.policy.NotSent)
		return
	}
	reply.SetCookie(h, c.protocol.Name(), line)
}

// owesCookie reports whether the browser's token is dead and the new one was not
// sent yet.
func (s *Session) owesCookie() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fate.IsNew && s.state.stored()
}

func (s *Session) reopenCookie(path fate.Way) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fate.Way = path
}

package sessions

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"time"
)

// A responseWriter saves the session before the first byte of the response
// leaves. Like any http.ResponseWriter it is used by one goroutine at a time.
type responseWriter struct {
	http.ResponseWriter
	request *http.Request
	session *Session
	before  http.Header // what was there before the handler ran
	state   responseState
	failure error // why the session was not saved
}

type responseState int

const (
	responseOpen responseState = iota
	responseBegun
	responseFailed // the error handler has answered in the handler's place
)

func newResponseWriter(w http.ResponseWriter, r *http.Request, s *Session) *responseWriter {
	rw := &responseWriter{ResponseWriter: w, request: r, session: s}
	if len(w.Header()) > 0 {
		rw.before = w.Header().Clone()
	}
	return rw
}

// Unwrap is for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// saveFirst saves the session and completes the header, once. An error means that
// the handler's answer must not leave.
func (w *responseWriter) saveFirst() error {
	if w.state != responseOpen {
		return w.failure
	}
	if err := w.session.save(w.request.Context()); err != nil {
		w.fail(err)
		return w.failure
	}
	w.state = responseBegun
	w.session.writeHeader(w.Header())
	return nil
}

// fail reverts what the handler did to the header and lets the error handler
// answer, on the writer below this one. A token that [Session.Save] stored before is
// sent all the same, because the one that the browser has is dead.
func (w *responseWriter) fail(err error) {
	w.state = responseFailed
	w.failure = err
	clear(w.Header())
	maps.Copy(w.Header(), w.before)
	if w.session.owesCookie() && !errors.Is(err, ErrEnded) {
		w.session.writeHeader(w.Header())
	}
	w.session.closeCookie()
	w.session.core.fail(w.ResponseWriter, w.request, err)
}

// WriteHeader saves the session first. 1xx statuses pass through without saving;
// 101 is final and saves.
func (w *responseWriter) WriteHeader(status int) {
	if status >= 200 && status <= 999 || status == http.StatusSwitchingProtocols {
		if w.saveFirst() != nil {
			return
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(b []byte) (int, error) {
	if err := w.saveFirst(); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(b)
}

// WriteString spares io.WriteString a copy.
func (w *responseWriter) WriteString(s string) (int, error) {
	if err := w.saveFirst(); err != nil {
		return 0, err
	}
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom keeps sendfile: net/http's own writer implements it.
func (w *responseWriter) ReadFrom(src io.Reader) (int64, error) {
	if err := w.saveFirst(); err != nil {
		return 0, err
	}
	return io.Copy(w.ResponseWriter, src)
}

// Flush implements http.Flusher.
func (w *responseWriter) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls.
func (w *responseWriter) FlushError() error {
	if err := w.saveFirst(); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack saves the session and hands over the connection. A session that
// needs a new cookie is refused, because the caller writes the header itself.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.state == responseFailed {
		return nil, nil, w.failure
	}
	before := w.session.closeCookie()
	err := w.session.save(w.request.Context())
	if err == nil {
		var conn net.Conn
		var buf *bufio.ReadWriter
		if conn, buf, err = http.NewResponseController(w.ResponseWriter).Hijack(); err == nil {
			w.state = responseBegun
			return conn, buf, nil
		}
	}
	w.session.reopenCookie(before) // the handler can still answer
	return nil, nil, fmt.Errorf("sessions: hijack: %w", err)
}

// finish saves what the handler changed after the header left.
func (w *responseWriter) finish() {
	if w.state == responseOpen {
		_ = w.saveFirst() // the error handler has answered
		return
	}
	if w.state == responseFailed || !w.session.changed() {
		return
	}
	err := w.session.save(w.request.Context())
	if err == nil || w.session.saveErrorReported() {
		return
	}
	w.session.core.options.Logger.Error("sessions: a change made after the response had begun was lost; make it earlier, or call Save and answer its error",
		"id", w.session.ID(), "error", err)
	if w.request.Context().Value(http.ServerContextKey) != nil {
		panic(http.ErrAbortHandler) // the client must not take the response for complete
	}
}

// writeHeader puts the cookie, and what caches must know, into the header. After
// this no cookie can be sent.
func (s *Session) writeHeader(h http.Header) {
	if s.accessed.Load() {
		addVary(h)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fate.close() == cookieWithheld {
		return
	}
	c, st := s.core, &s.state
	if s.fate.inherited { // so that the next request asks one place only
		if name, line := c.predecessor.Drop(s.request, s.fate.secure); line != "" && name != c.protocol.Name() {
			setCookieLine(h, name, line)
		}
	}
	// Browsers keep cookies apart by their attributes, so a dropped one needs its own.
	token, left, cookie := "", c.policy.lifetime, s.fate.dropped
	switch {
	case st.stored() && (s.fate.due() || c.policy.Rolling):
		token, left, cookie = st.token, st.row.AbsoluteIn, nil
	case !s.fate.drop:
		return
	}
	if cookie == nil {
		cookie = st.now.cookie.Renewed(time.Now())
	}
	line := c.protocol.Line(token, cookie, left, s.fate.secure)
	if line == "" {
		c.logWithheld()
		return
	}
	setCookieLine(h, c.protocol.Name(), line)
}

// owesCookie reports whether the browser's token is dead and the new one was not
// sent yet.
func (s *Session) owesCookie() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fate.isNew && s.state.stored()
}

// closeCookie notes that no cookie can be sent any more and returns how it was.
func (s *Session) closeCookie() cookiePath {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fate.close()
}

func (s *Session) reopenCookie(path cookiePath) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fate.path = path
}

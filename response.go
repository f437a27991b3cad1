package sessions

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/internal/wire"
)

// A responseWriter saves the session before the first byte of the response
// leaves. It is used by one goroutine at a time, as any http.ResponseWriter.
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

// begin saves the session and completes the header, once. An error means that
// the handler's answer must not leave.
func (w *responseWriter) begin() error {
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

// fail takes back what the handler did to the header and lets the error
// handler answer, on the writer below this one. A token that [Session.Save] stored
// before goes to the browser all the same: the one it has is dead.
func (w *responseWriter) fail(err error) {
	w.state = responseFailed
	w.failure = err
	clear(w.Header())
	maps.Copy(w.Header(), w.before)
	if w.session.owesCookie() && !errors.Is(err, ErrEnded) {
		w.session.writeHeader(w.Header())
	}
	w.session.closeCookie()
	w.session.manager.fail(w.ResponseWriter, w.request, err)
}

// WriteHeader saves the session first. An informational status (1xx) goes
// through and saves nothing, save 101, which is final.
func (w *responseWriter) WriteHeader(status int) {
	if status >= 200 && status <= 999 || status == http.StatusSwitchingProtocols {
		if w.begin() != nil {
			return
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(b []byte) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(b)
}

// WriteString spares io.WriteString a copy.
func (w *responseWriter) WriteString(s string) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom keeps sendfile: net/http's own writer implements it.
func (w *responseWriter) ReadFrom(src io.Reader) (int64, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	return io.Copy(w.ResponseWriter, src)
}

// Flush implements http.Flusher.
func (w *responseWriter) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls.
func (w *responseWriter) FlushError() error {
	if err := w.begin(); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack saves the session and hands over the connection. A session that
// needs a new cookie is refused: whoever takes the connection writes the header.
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

// end saves what the handler changed after the header left.
func (w *responseWriter) end() {
	if w.state == responseOpen {
		_ = w.begin() // the error handler has answered
		return
	}
	if w.state == responseFailed || !w.session.changed() {
		return
	}
	err := w.session.save(w.request.Context())
	if err == nil || w.session.knows() {
		return
	}
	m := w.session.manager
	m.options.Logger.Error("sessions: a change made after the response had begun was lost; make it earlier, or call Save and answer its error",
		"id", w.session.ID(), "error", err)
	if w.request.Context().Value(http.ServerContextKey) != nil {
		panic(http.ErrAbortHandler) // the client must not take the response for complete
	}
}

// writeHeader puts the cookie and what caches must know into the header. From
// then on there is no way for a cookie.
func (s *Session) writeHeader(h http.Header) {
	if s.accessed.Load() {
		addVary(h)
	}
	withheld := s.closeCookie() == cookieWithheld
	s.mu.Lock()
	defer s.mu.Unlock()
	m, st := s.manager, &s.state
	if withheld {
		return
	}
	if s.inherited { // so that the next request asks one place only
		old := m.options.Predecessor.Manager.protocol
		if attributes, err := old.Fresh(s.request); err == nil && old.Name() != m.protocol.Name() {
			setCookie(h, old, "", attributes, 0, s.secure)
		}
	}
	token, left := "", m.lifetime()
	switch {
	case st.stored() && (s.newCookie || s.sameCookie && s.confirmed || m.policy.Rolling):
		left = st.row.AbsoluteIn
		token = st.token
	case !s.dropCookie:
		return
	}
	attributes, _ := m.renewed(st.now).get(cookieMember)
	if token == "" && s.dropped != nil { // browsers keep cookies apart by their attributes
		attributes = s.dropped
	}
	if !setCookie(h, m.protocol, token, attributes, left, s.secure) {
		m.logWithheld()
	}
}

// setCookie puts a cookie into the header, in the place of one of its name. It returns false when
// the cookie must not go over this connection.
func setCookie(h http.Header, p wire.Protocol, token string, attributes json.RawMessage, left time.Duration, secure bool) bool {
	line := p.Line(token, attributes, left, secure)
	if line == "" {
		return false
	}
	prefix := p.Name() + "="
	lines := slices.DeleteFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, prefix) })
	h["Set-Cookie"] = append(lines, line)
	// Set-Cookie does not keep a cache from storing the response (RFC 9111, section 7.3).
	if !strings.Contains(strings.ToLower(strings.Join(h["Cache-Control"], ",")), "no-store") {
		h.Set("Cache-Control", "no-store")
	}
	return true
}

func addVary(h http.Header) {
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Cookie") {
				return
			}
		}
	}
	h["Vary"] = append(h["Vary"], "Cookie")
}

func (s *Session) owesCookie() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newCookie && s.state.stored()
}

// closeCookie notes that no cookie can be sent any more and returns how it was.
func (s *Session) closeCookie() cookiePath {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.cookie
	if was == cookieOpen {
		s.cookie = cookieGone
	}
	return was
}

func (s *Session) reopenCookie(path cookiePath) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cookie = path
}

// knows reports whether Save has told the handler that its last change could
// not be saved.
func (s *Session) knows() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told == s.generation+1
}

// changed reports whether there is something to save. A refused value counts.
func (s *Session) changed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending.any() || s.err != nil
}

// DefaultErrorHandler answers 409 when the session ended while the request ran,
// 500 for what the handler has to mend ([ErrValue], [ErrTooLarge],
// [ErrTooLate]), and 503 when the store could not load or save, or other requests
// got there first every time ([ErrConflict]). The client is not
// told the reason; [Options.Logger] was.
func DefaultErrorHandler(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusServiceUnavailable
	switch {
	case errors.Is(err, ErrEnded):
		status = http.StatusConflict
	case errors.Is(err, ErrValue), errors.Is(err, ErrTooLarge), errors.Is(err, ErrTooLate):
		status = http.StatusInternalServerError
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(status), status)
}

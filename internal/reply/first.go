package reply

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"net/http"
	"reflect"
	"strings"
)

// A First is a response of which something has to be done before the first byte leaves. Like
// any http.ResponseWriter it is used by one goroutine at a time. It has all the methods that
// the writers of net/http have, and each does what the writer below can do.
type First struct {
	http.ResponseWriter
	Request  *http.Request
	Before   Before
	State    State
	Answered bool  // the error handler has returned
	Failure  error // why nothing of the handler's answer leaves, if State is Failed
}

// A State says how far a response has come.
type State int

// The states.
const (
	Open State = iota
	Begun
	Failed // the error handler has answered in the handler's place
)

// Before is what has to be done.
type Before interface {
	// BeforeFirst does it, and leaves Open. An error means that nothing must leave.
	BeforeFirst() error
}

func (f *First) before() error {
	if f.State == Open {
		return f.Before.BeforeFirst()
	}
	return f.Failure
}

// Unwrap is for http.ResponseController.
func (f *First) Unwrap() http.ResponseWriter { return f.ResponseWriter }

// WriteHeader implements [http.ResponseWriter]. 1xx statuses pass through; 101 is final.
func (f *First) WriteHeader(status int) {
	if status >= 200 && status <= 999 || status == http.StatusSwitchingProtocols {
		_ = f.before()
	}
	if f.State == Failed {
		return
	}
	f.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (f *First) Write(b []byte) (int, error) {
	if err := f.before(); err != nil {
		return 0, err
	}
	return f.ResponseWriter.Write(b)
}

// WriteString spares io.WriteString a copy.
func (f *First) WriteString(s string) (int, error) {
	if err := f.before(); err != nil {
		return 0, err
	}
	return io.WriteString(f.ResponseWriter, s)
}

// ReadFrom keeps sendfile: net/http's own writer implements it.
func (f *First) ReadFrom(src io.Reader) (int64, error) {
	if err := f.before(); err != nil {
		return 0, err
	}
	return io.Copy(f.ResponseWriter, src)
}

// Flush implements [http.Flusher].
func (f *First) Flush() { _ = f.FlushError() }

// FlushError is what http.ResponseController calls.
func (f *First) FlushError() error {
	if err := f.before(); err != nil {
		return err
	}
	return http.NewResponseController(f.ResponseWriter).Flush()
}

// Push implements [http.Pusher], which is of HTTP/2. A pushed request carries the cookies that
// this one came with, so that nothing has to be saved first.
func (f *First) Push(target string, options *http.PushOptions) error {
	for w := range down(f.ResponseWriter) {
		if p, ok := w.(http.Pusher); ok {
			return p.Push(target, options)
		}
	}
	return http.ErrNotSupported
}

// down yields w and the writers below it.
func down(w http.ResponseWriter) iter.Seq[http.ResponseWriter] {
	return func(yield func(http.ResponseWriter) bool) {
		for yield(w) {
			u, ok := w.(interface{ Unwrap() http.ResponseWriter })
			if !ok {
				return
			}
			w = u.Unwrap()
		}
	}
}

// CloseNotify is for what still asks for the old interface of net/http, such as gin. It tells
// of what ends the request's context.
func (f *First) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	context.AfterFunc(f.Request.Context(), func() { gone <- true })
	return gone
}

// Recover is deferred around the handler. When the error handler has answered, a handler whose
// Write fails may panic with that error, or with http.ErrAbortHandler as a reverse proxy
// does. net/http would then cut the connection, and throw the error handler's answer away.
// Nor must the handler's trailers go with it.
func (f *First) Recover() {
	if f.State != Failed || !f.Answered { // a panic of the error handler is its own
		return
	}
	maps.DeleteFunc(f.Header(), func(name string, _ []string) bool { return strings.HasPrefix(name, http.TrailerPrefix) })
	p := recover()
	if err, _ := p.(error); p != nil && !errors.Is(err, f.Failure) && !errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
}

// Past reports whether an answer has begun on w or below it, as far as the writers of frameworks
// tell. A handler that wrote there, and not to the First around it, wrote past it.
func Past(w http.ResponseWriter) bool {
	for w := range down(w) {
		if g, ok := w.(interface{ Written() bool }); ok && g.Written() { // gin's, negroni's
			return true
		}
		if v := reflect.Indirect(reflect.ValueOf(w)); v.Kind() == reflect.Struct { // echo's
			if c := v.FieldByName("Committed"); c.Kind() == reflect.Bool && c.Bool() {
				return true
			}
		}
	}
	return false
}

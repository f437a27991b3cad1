package reply

import (
	"io"
	"net/http"
)

// A First is a response of which something has to be done before the first byte leaves. Like
// any http.ResponseWriter it is used by one goroutine at a time.
type First struct {
	http.ResponseWriter
	Before Before
}

// Before is what has to be done. It is asked for each byte that is to leave.
type Before interface {
	// BeforeFirst does it once. An error means that nothing must leave.
	BeforeFirst() error
}

// Unwrap is for http.ResponseController.
func (f *First) Unwrap() http.ResponseWriter { return f.ResponseWriter }

// WriteHeader implements [http.ResponseWriter]. 1xx statuses pass through; 101 is final.
func (f *First) WriteHeader(status int) {
	if status >= 200 && status <= 999 || status == http.StatusSwitchingProtocols {
		if f.Before.BeforeFirst() != nil {
			return
		}
	}
	f.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (f *First) Write(b []byte) (int, error) {
	if err := f.Before.BeforeFirst(); err != nil {
		return 0, err
	}
	return f.ResponseWriter.Write(b)
}

// WriteString spares io.WriteString a copy.
func (f *First) WriteString(s string) (int, error) {
	if err := f.Before.BeforeFirst(); err != nil {
		return 0, err
	}
	return io.WriteString(f.ResponseWriter, s)
}

// ReadFrom keeps sendfile: net/http's own writer implements it.
func (f *First) ReadFrom(src io.Reader) (int64, error) {
	if err := f.Before.BeforeFirst(); err != nil {
		return 0, err
	}
	return io.Copy(f.ResponseWriter, src)
}

// Flush implements [http.Flusher].
func (f *First) Flush() { _ = f.FlushError() }

// FlushError is what http.ResponseController calls.
func (f *First) FlushError() error {
	if err := f.Before.BeforeFirst(); err != nil {
		return err
	}
	return http.NewResponseController(f.ResponseWriter).Flush()
}

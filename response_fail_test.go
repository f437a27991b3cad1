package sessions_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// noise is what a handler puts into its answer; none of it may leave when the
// session could not be saved.
func noise(w http.ResponseWriter) {
	h := w.Header()
	h.Set("X-Handler", "noise")
	h.Set("Location", "/noise")
	h.Set("Content-Type", "text/noise")
	h.Set("Etag", `"noise"`)
	h.Set("X-Outer", "noise")
	http.SetCookie(w, &http.Cookie{Name: "other", Value: "noise"})
}

func TestSaveFailureLeavesNothingOfTheAnswer(t *testing.T) {
	t.Parallel()
	for way, begin := range firstBytes {
		if strings.Contains(way, "String") || strings.Contains(way, "ReadFrom") || strings.Contains(way, "Controller") {
			continue // these check for success themselves; see TestWritesAfterAFailedSaveReturnTheError
		}
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			store := newSpy()
			asked := 0
			m := newManager(t, store, func(o *sessions.Options) {
				o.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
					asked++
					if !errors.Is(err, sessions.ErrUnavailable) || !errors.Is(err, errDown) {
						t.Errorf("the error handler got %v", err)
					}
					sessions.DefaultErrorHandler(w, r, err)
				}
			})
			store.reset(failing(errDown, "create"))
			srv, client := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Outer", "kept")
				w.Header().Add("Set-Cookie", "outer=kept")
				m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					count.Set(sessions.FromContext(r.Context()), 1)
					noise(w)
					begin(t, w)
					noise(w) // too late to matter, and must not
					_, _ = io.WriteString(w, "noise")
				})).ServeHTTP(w, r)
			}))
			res := get(t, client, srv.URL)
			wantStatus(t, res, http.StatusServiceUnavailable)
			text := body(t, res)
			if text != "Service Unavailable\n" {
				t.Errorf("body %q", text)
			}
			for field, values := range res.Header {
				if strings.Contains(strings.Join(values, " "), "noise") {
					t.Errorf("the handler's header left: %s: %q", field, values)
				}
			}
			if res.Header.Get("X-Outer") != "kept" || !slices.Equal(res.Header["Set-Cookie"], []string{"outer=kept"}) {
				t.Errorf("the outer middleware's header is gone: %v", res.Header)
			}
			if asked != 1 {
				t.Errorf("the error handler ran %d times", asked)
			}
			wantRows(t, m, 0)
		})
	}
}

func TestWritesAfterAFailedSaveReturnTheError(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	store.reset(failing(errDown, "create"))
	res := newVisitor(t, m).serve(func(w http.ResponseWriter, r *http.Request) {
		count.Set(sessions.FromContext(r.Context()), 1)
		noise(w)
		writes := map[string]func() error{
			"Write":       func() error { _, err := w.Write([]byte("noise")); return err },
			"WriteString": func() error { _, err := io.WriteString(w, "noise"); return err },
			"ReadFrom":    func() error { _, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("noise")); return err },
			"Flush":       func() error { return http.NewResponseController(w).Flush() },
			"Hijack":      func() error { _, _, err := http.NewResponseController(w).Hijack(); return err },
		}
		w.WriteHeader(http.StatusOK)
		for range 2 {
			for way, write := range writes {
				if err := write(); !errors.Is(err, errDown) {
					t.Errorf("%s returns %v", way, err)
				}
			}
		}
		w.WriteHeader(http.StatusOK)
	})
	wantStatus(t, res, http.StatusServiceUnavailable)
	if text := body(t, res); strings.Contains(text, "noise") {
		t.Errorf("body %q", text)
	}
	if n := store.count("create"); n != 1 {
		t.Errorf("%d tries to save, want 1", n)
	}
}

func TestLoadFailureFailsClosed(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	v := loggedIn(t, m)
	cookie := v.cookie
	store.reset(failing(errDown, "load"))
	res := v.serve(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })
	wantStatus(t, res, http.StatusServiceUnavailable)
	if got := res.Header["Set-Cookie"]; got != nil {
		t.Errorf("Set-Cookie %q", got)
	}
	if store.count() != 1 {
		t.Errorf("%d calls of the store, want the load alone", store.count())
	}
	store.reset(nil)
	if v.cookie != cookie || value(v, count) != 1 {
		t.Error("the same cookie does not work again when the store is back")
	}
	wantRows(t, m, 1)
}

func TestStatusOfEachError(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{
		errDown:                 http.StatusServiceUnavailable,
		sessions.ErrUnavailable: http.StatusServiceUnavailable,
		sessions.ErrConflict:    http.StatusServiceUnavailable,
		sessions.ErrSchema:      http.StatusServiceUnavailable,
		sessions.ErrEnded:       http.StatusConflict,
		sessions.ErrValue:       http.StatusInternalServerError,
		sessions.ErrTooLarge:    http.StatusInternalServerError,
		sessions.ErrTooLate:     http.StatusInternalServerError,
	} {
		rec := httptest.NewRecorder()
		sessions.DefaultErrorHandler(rec, httptest.NewRequest(http.MethodGet, "/", http.NoBody), errors.Join(errors.New("secret detail"), err))
		if rec.Code != want || rec.Header().Get("Cache-Control") != "no-store" || strings.Contains(rec.Body.String(), "detail") {
			t.Errorf("%v: status %d, want %d; header %v, body %q", err, rec.Code, want, rec.Header(), rec.Body)
		}
	}
}

func TestPanicSavesNothingAndPassesOn(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store)
	v := loggedIn(t, m)
	store.reset(nil)
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v, want boom", got)
			}
		}()
		v.serve(func(_ http.ResponseWriter, r *http.Request) {
			s := sessions.FromContext(r.Context())
			count.Set(s, 2)
			s.Regenerate()
			panic("boom")
		})
	}()
	if n := store.count("save", "renew", "create", "delete", "touch"); n != 0 {
		t.Errorf("%d writes", n)
	}
	if got := value(v, count); got != 1 {
		t.Errorf("count is %d, want 1", got)
	}
}

func TestRefusedValueFailsTheRequestAndKeepsTheOldRow(t *testing.T) {
	t.Parallel()
	bad := sessions.NewKey[any]("bad")
	m := newManager(t, memstore.New())
	v := loggedIn(t, m)
	res := v.visit(func(s *sessions.Session) {
		count.Set(s, 2)
		bad.Set(s, make(chan int))
		if err := s.Err(); !errors.Is(err, sessions.ErrValue) || !strings.Contains(err.Error(), `"bad"`) {
			t.Errorf("Err is %v", err)
		}
	})
	wantStatus(t, res, http.StatusInternalServerError)
	if got := value(v, count); got != 1 {
		t.Errorf("count is %d, want 1: something of the refused request was saved", got)
	}
}

func TestTooLargeKeepsTheOldRow(t *testing.T) {
	t.Parallel()
	const limit = 100
	exact := strings.Repeat("x", limit-len(`{"name":""}`))
	m := newManager(t, memstore.New(), func(o *sessions.Options) { o.MaxBytes = limit })
	v := newVisitor(t, m)
	wantStatus(t, v.visit(func(s *sessions.Session) { name.Set(s, exact) }), http.StatusOK)
	var got error
	res := v.serve(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.FromContext(r.Context())
		name.Set(s, exact+"y")
		got = s.Save(r.Context())
	})
	wantStatus(t, res, http.StatusInternalServerError)
	if !errors.Is(got, sessions.ErrTooLarge) {
		t.Errorf("Save returns %v", got)
	}
	if value(v, name) != exact {
		t.Error("the old row is gone")
	}
	wantStatus(t, newVisitor(t, m).visit(func(s *sessions.Session) { name.Set(s, exact+"y") }), http.StatusInternalServerError)
	wantRows(t, m, 1)
}

// A session that another program filled can't make each of its requests expensive.
func TestMuchMoreThanMaxBytesIsNotLoaded(t *testing.T) {
	t.Parallel()
	const limit = 100
	store := memstore.New()
	large := newManager(t, store)
	small := newManager(t, store, func(o *sessions.Options) { o.MaxBytes = limit })
	v := newVisitor(t, large)
	for bytes, want := range map[int]int{2 * limit: http.StatusOK, 2*limit + 1: http.StatusInternalServerError} {
		text := strings.Repeat("x", bytes-len(`{"name":""}`))
		wantStatus(t, v.visit(func(s *sessions.Session) { name.Set(s, text) }), http.StatusOK)
		v.manager = small
		wantStatus(t, v.visit(func(*sessions.Session) {}), want)
		if _, err := small.Load(t.Context(), v.cookie); (want == http.StatusOK) != (err == nil) || err != nil && !errors.Is(err, sessions.ErrTooLarge) {
			t.Errorf("%d bytes are loaded with %v", bytes, err)
		}
		if v.manager = large; value(v, name) != text {
			t.Errorf("%d bytes are lost", bytes)
		}
	}
}

// An error handler that only logs leaves the answer to the default one.
func TestAFailedSaveIsNever200(t *testing.T) {
	t.Parallel()
	store := newSpy()
	m := newManager(t, store, func(o *sessions.Options) {
		o.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {}
	})
	store.reset(failing(errDown, "create"))
	srv, client := newServer(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count.Set(sessions.FromContext(r.Context()), 1)
		w.WriteHeader(http.StatusOK)
		w.Header().Set("X-Handler", "noise")
	})))
	res := get(t, client, srv.URL)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("X-Handler") != "" {
		t.Errorf("status %d, header %v; want 503 and nothing of the handler", res.StatusCode, res.Header)
	}
}

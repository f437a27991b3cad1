package frameworks

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/labstack/echo/v4"

	"github.com/sqlsessions/sessions"
)

func pageOf(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, increment(r.Context())) }

func TestChi(t *testing.T) {
	for what, use := range map[string][]func(http.Handler) http.Handler{
		"alone":                {},
		"inside of middleware": {middleware.Recoverer, middleware.Compress(5), middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: nothing{}})},
	} {
		f, r := newFixture(t), chi.NewRouter()
		r.Use(use...)
		r.Use(f.Handler)
		r.Get("/", pageOf)
		r.Route("/sub", func(r chi.Router) { r.Get("/", pageOf) })
		wantCounts(t, serve(t, r), "/")
		wantCounts(t, serve(t, r), "/sub/")
		if f.log.String() != "" {
			t.Errorf("%s: %s", what, f.log)
		}
	}
}

type nothing struct{}

func (nothing) Print(...any) {}

// RealIP puts the client's bare address in place of the proxy's.
func TestChisRealIP(t *testing.T) {
	for what, inside := range map[string]bool{"inside": true, "outside": false} {
		f := newFixture(t, func(o *sessions.Options) {
			o.TrustedProxies, o.Cookie = []string{"127.0.0.1"}, sessions.CookieOptions{}
		})
		r := chi.NewRouter()
		if inside {
			r.Use(f.Handler, middleware.RealIP) //nolint:staticcheck // it is what is in use
		} else {
			r.Use(middleware.RealIP, f.Handler) //nolint:staticcheck // it is what many programs use
		}
		r.Get("/", func(_ http.ResponseWriter, r *http.Request) { increment(r.Context()) })
		rec := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodGet, "http://example.com/", http.NoBody)
		req.RemoteAddr = "127.0.0.1:999"
		req.Header.Set("X-Real-Ip", "192.0.2.9")
		req.Header.Set("X-Forwarded-Proto", "https")
		r.ServeHTTP(rec, req)
		if got := len(rec.Result().Cookies()); (got == 1) != inside {
			t.Errorf("%s: %d cookies", what, got)
		}
		if !inside {
			f.wantLog(t, "middleware that changes RemoteAddr inside of Manager.Handler")
		}
	}
}

func TestEcho(t *testing.T) {
	f, e := newFixture(t), echo.New()
	e.Use(echo.WrapMiddleware(f.Handler))
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, increment(c.Request().Context())) })
	wantCounts(t, serve(t, e), "/")
	f.wantLog(t)
}

// A wrapper by hand that does not hand on the writer.
func TestEchosWriterLeftBehind(t *testing.T) {
	f, e := newFixture(t), echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				c.SetRequest(r)
				err = next(c)
			})).ServeHTTP(c.Response(), c.Request())
			return err
		}
	})
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, increment(c.Request().Context())) })
	b := serve(t, e)
	res, err := b.Get(b.url)
	if err == nil {
		_ = res.Body.Close()
		t.Error("the answer is complete")
	}
	f.wantRows(t, 0)
	f.wantLog(t, "written past the writer", "was lost")
}

// adaptor.HTTPMiddleware runs the middleware to its end before fiber's handler begins.
func TestFibersHTTPMiddleware(t *testing.T) {
	f, app := newFixture(t), fiber.New()
	var told error
	app.Use(adaptor.HTTPMiddleware(f.Handler))
	app.Get("/", func(c *fiber.Ctx) error {
		s := sessions.FromContext(c.Context())
		count.Set(s, 1)
		told = s.Err()
		return nil
	})
	res, err := app.Test(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if told == nil || res.Header.Get("Set-Cookie") != "" {
		t.Errorf("Err is %v, header %v", told, res.Header)
	}
	f.wantRows(t, 0)
	f.wantLog(t, "a change was refused and is lost", "change=Set")
}

// A handler of net/http can be one of fiber's.
func TestFibersHTTPHandler(t *testing.T) {
	f, app := newFixture(t), fiber.New()
	app.Get("/", adaptor.HTTPHandler(f.Handler(http.HandlerFunc(pageOf))))
	req := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	for _, want := range []string{"1", "2"} {
		res, err := app.Test(req, -1)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(text) != want {
			t.Errorf("text %q, want %s", text, want)
		}
		for _, c := range res.Cookies() {
			req.AddCookie(c)
		}
	}
	f.wantLog(t)
}

// huma panics when it can't write its answer.
func TestHuma(t *testing.T) {
	f, mux := newFixture(t), http.NewServeMux()
	type output struct{ Body string }
	huma.Get(humago.New(mux, huma.DefaultConfig("test", "1")), "/", func(ctx context.Context, _ *struct{}) (*output, error) {
		return &output{increment(ctx)}, nil
	})
	b := serve(t, f.Handler(mux))
	for _, want := range []string{"\"1\"\n", "\"2\"\n"} {
		if status, _, text := b.get(t, "/"); status != http.StatusOK || text != want {
			t.Errorf("status %d, text %q, want %q", status, text, want)
		}
	}
	f.wantLog(t)
	b = serve(t, f.Handler(mux))
	f.store.fails = true
	if status, _, text := b.get(t, "/"); status != http.StatusServiceUnavailable || text != "Service Unavailable\n" {
		t.Errorf("with a failed save: status %d, text %q", status, text)
	}
}

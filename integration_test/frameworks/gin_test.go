package frameworks

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/sqlsessions/sessions"
)

func newGin() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	return gin.New()
}

func page(c *gin.Context) { c.String(http.StatusOK, increment(c.Request.Context())) }

func TestGinInside(t *testing.T) {
	f, engine := newFixture(t), newGin()
	engine.GET("/", page)
	wantCounts(t, serve(t, f.Handler(engine)), "/")
	f.wantLog(t)
}

// c.Stream asks for CloseNotify.
func TestGinStreamInside(t *testing.T) {
	f, engine := newFixture(t), newGin()
	engine.GET("/", func(c *gin.Context) {
		text := increment(c.Request.Context())
		c.Stream(func(w io.Writer) bool { _, _ = io.WriteString(w, text); return false })
	})
	wantCounts(t, serve(t, f.Handler(engine)), "/")
}

// The usual wrapper of middleware of net/http for a group hands on the request alone.
func naive(m *sessions.Manager) gin.HandlerFunc {
	return func(c *gin.Context) {
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
	}
}

func TestGinsUsualWrapperForAGroup(t *testing.T) {
	for what, recovers := range map[string]bool{"gin.Recovery outside": true, "without": false} {
		f, engine := newFixture(t), newGin()
		if recovers {
			engine.Use(gin.RecoveryWithWriter(io.Discard))
		}
		engine.Group("/", naive(f.Manager)).GET("/", page)
		res, err := serve(t, engine).Get(serve(t, engine).url + "/")
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if (err == nil) != recovers {
			t.Errorf("%s: %v", what, err)
		}
		f.wantRows(t, 0)
		f.wantLog(t, "written past the writer", "was lost")
	}
}

// inGroup is how to do it.
func inGroup(m *sessions.Manager) gin.HandlerFunc {
	return func(c *gin.Context) {
		gins, went := c.Writer, false
		defer func() { c.Writer = gins }()
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			went = true
			c.Request, c.Writer = r, &writer{gins, w}
			c.Next()
		})).ServeHTTP(gins, c.Request)
		if !went {
			c.Abort() // the session could not be loaded, and the error handler has answered
		}
	}
}

// A writer sends what leaves through the manager's writer, around gin's. WriteHeader of gin
// only notes the status.
type writer struct {
	gin.ResponseWriter
	managers http.ResponseWriter
}

func (w *writer) Write(b []byte) (int, error)       { return w.managers.Write(b) }
func (w *writer) WriteString(s string) (int, error) { return io.WriteString(w.managers, s) }
func (w *writer) Flush()                            { _ = http.NewResponseController(w.managers).Flush() }

func (w *writer) WriteHeaderNow() {
	if !w.Written() {
		w.managers.WriteHeader(w.Status())
		w.ResponseWriter.WriteHeaderNow()
	}
}

func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.managers).Hijack()
}

func TestGinInAGroup(t *testing.T) {
	f, engine := newFixture(t), newGin()
	ran := false
	group := engine.Group("/in", inGroup(f.Manager))
	group.GET("/", page)
	group.GET("/stream", func(c *gin.Context) {
		text := increment(c.Request.Context())
		c.Stream(func(w io.Writer) bool { _, _ = io.WriteString(w, text); return false })
	})
	group.GET("/status", func(c *gin.Context) { increment(c.Request.Context()); c.Status(http.StatusNoContent) })
	group.GET("/abort", func(c *gin.Context) { increment(c.Request.Context()); c.AbortWithStatus(http.StatusTeapot) })
	group.GET("/ran", func(*gin.Context) { ran = true })
	engine.GET("/out", func(c *gin.Context) {
		if sessions.FromContext(c.Request.Context()) != nil {
			t.Error("a session outside of the group")
		}
	})
	wantCounts(t, serve(t, engine), "/in/")
	wantCounts(t, serve(t, engine), "/in/stream")
	for path, want := range map[string]int{"/in/status": http.StatusNoContent, "/in/abort": http.StatusTeapot} {
		if status, cookie, _ := serve(t, engine).get(t, path); status != want || !cookie {
			t.Errorf("%s: status %d, cookie %v", path, status, cookie)
		}
	}
	serve(t, engine).get(t, "/out")
	f.wantLog(t)

	b := serve(t, engine)
	f.store.fails = true
	if status, cookie, _ := b.get(t, "/in/"); status != http.StatusServiceUnavailable || cookie {
		t.Errorf("with a failed save: status %d, cookie %v", status, cookie)
	}
	f.store.fails = false
	b.get(t, "/in/")
	f.store.fails = true
	if status, _, _ := b.get(t, "/in/ran"); status != http.StatusServiceUnavailable || ran {
		t.Errorf("with a failed load: status %d, ran %v", status, ran)
	}
}

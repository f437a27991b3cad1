package sessions_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/memstore"
)

// net/http deletes the temporary files of an uploaded form when it is done with its own
// request, of which the handler has a copy.
func TestUploadsLeaveNoFiles(t *testing.T) { //nolint:paralleltest // it sets the folder for temporary files
	t.Setenv("TMPDIR", t.TempDir())
	inner := newManager(t, memstore.New(), func(o *sessions.Options) { o.Cookie.Name = "inner" })
	parsed := 0
	h := newManager(t, memstore.New()).Handler(inner.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
		if files, err := os.ReadDir(os.TempDir()); len(files) == 0 || err != nil {
			t.Errorf("the form is in no file, so this shows nothing; %v", err)
		}
		parsed++
	})))
	srv := httptest.NewServer(h)
	for range 3 {
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		file, _ := w.CreateFormFile("file", "name")
		_, _ = file.Write(make([]byte, 1<<20))
		_ = w.Close()
		res, err := srv.Client().Post(srv.URL, w.FormDataContentType(), &form)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	srv.Close() // when all requests are over
	if files, err := os.ReadDir(os.TempDir()); len(files) > 0 || err != nil || parsed != 3 {
		t.Errorf("%d forms were parsed, and %d files are left, %v", parsed, len(files), err)
	}
}

// Middleware around the manager sees of a request what the handler inside has made of it.
func TestMiddlewareOutsideSeesThePattern(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /item/{id}", func(_ http.ResponseWriter, r *http.Request) { _ = r.FormValue("name") })
	inner := newManager(t, memstore.New(), func(o *sessions.Options) { o.Cookie.Name = "inner" })
	h := newManager(t, memstore.New()).Handler(inner.Handler(mux))
	r := httptest.NewRequest(http.MethodPost, "/item/7?name=x", http.NoBody)
	h.ServeHTTP(httptest.NewRecorder(), r)
	if r.Pattern != "POST /item/{id}" || r.Form.Get("name") != "x" {
		t.Errorf("pattern %q, form %v", r.Pattern, r.Form)
	}
}

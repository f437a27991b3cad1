package seldom_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlsessions/sessions/internal/seldom"
)

func TestALineAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		to := slog.New(slog.NewTextHandler(&log, nil))
		var line seldom.Line
		for range 150 { // five minutes
			line.Log(t.Context(), to, slog.LevelWarn, "again", "id", 7)
			time.Sleep(2 * time.Second)
		}
		text := log.String()
		if n := strings.Count(text, "level=WARN msg=again id=7"); n != 5 {
			t.Errorf("%d lines, want 5:\n%s", n, text)
		}
		if n := strings.Count(text, "left_out=29\n"); n != 4 {
			t.Errorf("%d lines say that 29 were left out, want 4:\n%s", n, text)
		}
	})
}

func TestTenLinesAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		to := slog.New(slog.NewTextHandler(&log, nil))
		line := seldom.Line{Most: 10}
		for range 150 { // five minutes
			line.Log(t.Context(), to, slog.LevelWarn, "again")
			time.Sleep(2 * time.Second)
		}
		text := log.String()
		if n := strings.Count(text, "msg=again"); n != 50 {
			t.Errorf("%d lines, want 50:\n%s", n, text)
		}
		if n := strings.Count(text, "left_out=20\n"); n != 4 || strings.Count(text, "left_out") != 4 {
			t.Errorf("%d lines say that 20 were left out, want 4:\n%s", n, text)
		}
	})
}

package sessions_test

import (
	"log"
	"log/slog"
	"testing"

	"github.com/sqlsessions/sessions"
)

// A logger that is set after the managers were made gets their lines as they are.
func TestTheDefaultLoggerIsTheOneAtTheTimeOfUse(t *testing.T) { //nolint:paralleltest // it sets the default logger
	was, flags, out := slog.Default(), log.Flags(), log.Writer()
	defer func() {
		slog.SetDefault(was)
		log.SetFlags(flags)
		log.SetOutput(out)
	}()
	store, book := newSpy(), new(logBook)
	v := newVisitor(t, newManager(t, store, func(o *sessions.Options) { o.Logger = nil }))
	v.visit(func(s *sessions.Session) { count.Set(s, 1) })
	slog.SetDefault(book.logger())
	store.reset(failing(errDown, "load"))
	v.visit(nothing)
	if lines := book.lines(t, "ERROR"); len(lines) != 1 || lines[0]["error"] == nil || len(book.lines(t, "INFO")) != 0 {
		t.Errorf("the log says:\n%s", book.text())
	}
}

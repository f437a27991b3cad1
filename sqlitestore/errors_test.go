package sqlitestore

import (
	"errors"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions"
)

// What modernc.org/sqlite, mattn/go-sqlite3 and ncruces/go-sqlite3 said on a real file.
func TestTextsOfDrivers(t *testing.T) {
	s := New(nil)
	for text, want := range map[string]error{
		"constraint failed: UNIQUE constraint failed: sessions.key (1555)":          sessions.ErrExists,
		"UNIQUE constraint failed: sessions.handle":                                 sessions.ErrExists,
		"sqlite3: constraint failed: UNIQUE constraint failed: sessions.handle":     sessions.ErrExists,
		"SQL logic error: no such table: sessions (1)":                              sessions.ErrSchema,
		"no such table: sessions":                                                   sessions.ErrSchema,
		"sqlite3: SQL logic error: no such column: reap_after":                      sessions.ErrSchema,
		"SQL logic error: table sessions has no column named reap_after (1)":        sessions.ErrSchema,
		"table sessions has no column named reap_after":                             sessions.ErrSchema,
		"constraint failed: CHECK constraint failed: json_valid(\"data\") (275)":    sessions.ErrValue,
		"sqlite3: constraint failed: CHECK constraint failed: json_valid(\"data\")": sessions.ErrValue,
		"CHECK constraint failed: json_valid(\"data\")":                             sessions.ErrValue,
		"constraint failed: NOT NULL constraint failed: sessions.created_at (1299)": nil,
		"database or disk is full (13)":                                             nil,
		"sqlite3: database disk image is malformed":                                 nil,
		"attempt to write a readonly database (8)":                                  nil,
		"sqlite3: unable to open database file":                                     nil,
		"database is locked (5) (SQLITE_BUSY)":                                      nil,
		"sqlite3: invalid _pragma: sqlite3: database is locked":                     nil,
		"database table is locked: sessions":                                        nil,
		"database schema is locked: main":                                           nil,
		"file is not a database (26)":                                               nil,
		"unable to open database file: no such file or directory":                   nil,
		"database is locked (517)":                                                  nil,
		"sqlite3: attempt to write a readonly database":                             nil,
		"database disk image is malformed (11)":                                     nil,
		"sqlite3: file is not a database":                                           nil,
	} {
		driver := errors.New(text)
		err := s.wrap("save", driver)
		if !strings.HasPrefix(err.Error(), "sqlitestore: save: ") || !errors.Is(err, driver) {
			t.Errorf("%s: wrapped as %v", text, err)
		}
		for _, sentinel := range []error{sessions.ErrExists, sessions.ErrSchema, sessions.ErrValue, sessions.ErrNotFound, sessions.ErrConflict} {
			if errors.Is(err, sentinel) != errors.Is(want, sentinel) {
				t.Errorf("%s: becomes %v, want %v", text, err, want)
			}
		}
		if want == nil && advice(driver) == "" {
			t.Errorf("%s: there is no advice", text)
		}
		if busy(driver) != strings.Contains(text, "locked") {
			t.Errorf("%s: busy is %t", text, busy(driver))
		}
	}
}

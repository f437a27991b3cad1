package sqlitestore

import (
	"errors"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/driver"
)

// What modernc.org/sqlite, mattn/go-sqlite3 and ncruces/go-sqlite3 said on a real file.
func TestTextsOfDrivers(t *testing.T) {
	s := newTable(nil, `"sessions"`)
	for text, want := range map[string]error{
		"constraint failed: UNIQUE constraint failed: sessions.id (1555)":           driver.ErrExists,
		"UNIQUE constraint failed: sessions.id":                                     driver.ErrExists,
		"sqlite3: constraint failed: UNIQUE constraint failed: sessions.id":         driver.ErrExists,
		"SQL logic error: no such table: sessions (1)":                              driver.ErrSchema,
		"no such table: sessions":                                                   driver.ErrSchema,
		"sqlite3: SQL logic error: no such column: reap_after":                      driver.ErrSchema,
		"SQL logic error: table sessions has no column named reap_after (1)":        driver.ErrSchema,
		"table sessions has no column named reap_after":                             driver.ErrSchema,
		"constraint failed: CHECK constraint failed: json_valid(\"data\") (275)":    driver.ErrValue,
		"sqlite3: constraint failed: CHECK constraint failed: json_valid(\"data\")": driver.ErrValue,
		"CHECK constraint failed: json_valid(\"data\")":                             driver.ErrValue,
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
		said := errors.New(text)
		err := s.Explain(t.Context(), said)
		if !errors.Is(err, said) {
			t.Errorf("%s: explained as %v", text, err)
		}
		for _, sentinel := range []error{driver.ErrExists, driver.ErrSchema, driver.ErrValue, driver.ErrNotFound, driver.ErrConflict} {
			if errors.Is(err, sentinel) != errors.Is(want, sentinel) {
				t.Errorf("%s: becomes %v, want %v", text, err, want)
			}
		}
		if missing(said) != errors.Is(want, driver.ErrSchema) {
			t.Errorf("%s: missing is %t", text, missing(said))
		}
		if want == nil && advice(said) == "" {
			t.Errorf("%s: there is no advice", text)
		}
		if busy(said) != strings.Contains(text, "locked") {
			t.Errorf("%s: busy is %t", text, busy(said))
		}
	}
}

package mysqlsession

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/express/internal/row"
)

// A shape is what a table looks like.
type shape struct {
	columns        map[string]column // by name in lower case
	unique         string            // the quoted name of the index that holds ids apart
	expiresIndexed bool

	id, expires, data column
	json              bool // the data is kept parsed, and comes back as another text
}

type column struct {
	Type      string
	Unsigned  bool
	Length    int64  // in characters, 0 if it has none
	Bytes     int64  // the same in bytes
	Charset   string // "" if it has none
	Collation string
}

func (s *shape) inspect(ctx context.Context, db *sql.DB, o Options) error {
	s.columns = map[string]column{}
	err := row.Each(ctx, db, func(scan func(...any) error) error {
		var name string
		var c column
		err := scan(&name, &c.Type, &c.Unsigned, &c.Length, &c.Bytes, &c.Charset, &c.Collation)
		s.columns[strings.ToLower(name)] = c
		return err
	}, inspectColumns, o.Schema, o.Table)
	if err != nil {
		return err
	}
	named := func(name string) column { return s.columns[strings.ToLower(name)] }
	s.id, s.expires, s.data = named(o.SessionID), named(o.Expires), named(o.Data)
	s.json = s.data.Type == "json"
	return row.Each(ctx, db, func(scan func(...any) error) error {
		var name, first string
		var unique bool
		err := scan(&name, &first, &unique)
		if strings.EqualFold(first, o.SessionID) && unique && (s.unique == "" || name == "PRIMARY") {
			s.unique = "`" + strings.ReplaceAll(name, "`", "``") + "`"
		}
		s.expiresIndexed = s.expiresIndexed || strings.EqualFold(first, o.Expires)
		return err
	}, inspectIndexes, o.Schema, o.Table)
}

// exact reports whether a column tells all ids apart.
func (c column) exact() bool {
	return c.Type == "varbinary" || strings.HasSuffix(c.Collation, "_bin") || strings.HasSuffix(c.Collation, "_cs")
}

func (c column) unicode() bool {
	return slices.Contains([]string{"utf8mb4", "utf8mb3", "utf8"}, c.Charset)
}

// holds reports whether a column can keep a text unchanged: a server that is not in
// strict mode would put question marks into it.
func (c column) holds(text string) bool {
	for _, r := range text {
		if r > 0xFFFF && c.Charset != "utf8mb4" && c.Charset != "" || r >= utf8.RuneSelf && !c.unicode() && c.Charset != "" {
			return false
		}
	}
	return true
}

// Holds reports whether the column can hold a sid unchanged.
func (s *shape) Holds(sid driver.Verifier) bool {
	return row.Usable(sid) && s.id.holds(string(sid)) &&
		int64(utf8.RuneCountInString(string(sid))) <= s.id.Length && int64(len(sid)) <= s.id.Bytes
}

// CheckText returns why the column can't hold a session: a server that is not in
// strict mode would truncate it.
func (s *shape) CheckText(text []byte) error {
	switch {
	case !utf8.Valid(text):
		return fmt.Errorf("%w: not UTF-8", driver.ErrValue)
	case s.json:
		return nil
	case int64(len(text)) > s.data.Bytes:
		return fmt.Errorf("%w: %d bytes of JSON, and the column %s holds %d; express-mysql-session has mediumtext since version 2.1.2",
			driver.ErrTooLarge, len(text), s.data.Type, s.data.Bytes)
	case !s.data.holds(string(text)):
		return fmt.Errorf("%w: not text of the column's character set, %s", driver.ErrValue, s.data.Charset)
	}
	return nil
}

// text is how a statement takes an id: as bytes that are UTF-8, whatever character set the
// connection has, and with the column's collation, so that the index can be used.
func (s *shape) text() string {
	if s.id.Charset == "" {
		return "CAST(? AS BINARY)"
	}
	return "CONVERT(CAST(? AS BINARY) USING " + s.id.Charset + ") COLLATE " + s.id.Collation
}

// document is how a statement takes a session. Otherwise an emoji would become "?" through
// a connection of utf8mb3.
func (s *shape) document() string {
	if s.json {
		return "CONVERT(CAST(? AS BINARY) USING utf8mb4)"
	}
	return "CONVERT(CAST(? AS BINARY) USING " + s.data.Charset + ")"
}

// latest is the last second that the column can hold; for an unsigned int it is in 2106.
func (s *shape) latest() string {
	switch {
	case s.expires.Type == "bigint":
		return "9000000000000000000"
	case s.expires.Unsigned:
		return "4294967295"
	}
	return "2147483647"
}

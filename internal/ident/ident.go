// Package ident checks the table and schema names that users choose, before
// any of them becomes part of a statement.
package ident

import (
	"fmt"
	"strings"

	"github.com/sqlsessions/sessions/driver"
)

// MaxLength is how long a name may be, in bytes: PostgreSQL silently cuts names
// at 63, and the longest we derive is <table>_schema_migrations.
const MaxLength = 63 - len("_schema_migrations")

// Check returns an error that wraps driver.ErrInvalid unless name is made of ASCII
// letters, digits and underscores, does not begin with a digit, and is not too long.
func Check(what, name string) error {
	if name == "" || len(name) > MaxLength || name[0] >= '0' && name[0] <= '9' || strings.ContainsFunc(name, notWord) {
		return fmt.Errorf("%w: %s name %.80q: use 1 to %d letters, digits and underscores, not beginning with a digit",
			driver.ErrInvalid, what, name, MaxLength)
	}
	return nil
}

func notWord(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// Table checks both names and returns the table as it stands in a statement,
// with quote around each part. An empty schema is left out.
func Table(schema, table, quote string) (string, error) {
	if err := Check("table", table); err != nil {
		return "", err
	}
	if schema != "" {
		if err := Check("schema", schema); err != nil {
			return "", err
		}
	}
	return Join(schema, table, quote), nil
}

// Join is Table for names that have been checked, or made of checked ones.
func Join(schema, table, quote string) string {
	if schema == "" {
		return quote + table + quote
	}
	return quote + schema + quote + "." + quote + table + quote
}

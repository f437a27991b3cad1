// Package product recognizes database servers by what they say about themselves.
package product

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Server is a product in a version.
type Server struct {
	Name    string
	Version string // its numbers alone; "" if the server does not tell
	Minimum string // the oldest that the stores' statements work on; "" for another product that only speaks the protocol
}

// The oldest versions that the stores promise. The statements would not work
// on PostgreSQL before 13 (a storage parameter of step 1), MySQL before 8.0.16
// (CHECK), MariaDB before 10.6 (SKIP LOCKED), SQLite before 3.42 (unixepoch
// with subsec).
const (
	minPostgreSQL = "14"
	minMySQL      = "8.0.16"
	minMariaDB    = "10.6"
	minSQLite     = "3.42"
)

var (
	numbers   = regexp.MustCompile(`\d+(?:\.\d+)*`)
	ofMariaDB = regexp.MustCompile(`(?i)^(?:5\.5\.5-)?(\d+(?:\.\d+)*)`)

	// Products that speak another's protocol, and how the version follows the mark.
	likePostgreSQL = others("CockroachDB", `CockroachDB\D*`, "YugabyteDB", `-YB-`, "Redshift", `Redshift `, "Greenplum", `Greenplum Database `)
	likeMySQL      = others("TiDB", `TiDB-v?`, "Vitess", `Vitess\D*`, "OceanBase", `OceanBase\D*`, "SingleStore", `SingleStoreDB\D*`)
)

type other struct {
	name string
	mark *regexp.Regexp
}

func others(pairs ...string) (list []other) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, other{pairs[i], regexp.MustCompile(`(?i)` + pairs[i+1] + `(\d+(?:\.\d+)*)?`)})
	}
	return list
}

func find(list []other, text string) (Server, bool) {
	for _, o := range list {
		if parts := o.mark.FindStringSubmatch(text); parts != nil {
			return Server{Name: o.name, Version: parts[1]}, true
		}
	}
	return Server{}, false
}

// PostgreSQL recognizes the product by version() and the setting server_version.
func PostgreSQL(text, version string) Server {
	if server, is := find(likePostgreSQL, text); is {
		return server
	}
	return Server{"PostgreSQL", numbers.FindString(version), minPostgreSQL}
}

// MySQL recognizes the product by VERSION() and @@version_comment.
func MySQL(version, comment string) Server {
	if server, is := find(likeMySQL, version+" "+comment); is {
		return server
	}
	switch {
	case strings.Contains(strings.ToLower(version+" "+comment), "mariadb"):
		server := Server{"MariaDB", "", minMariaDB}
		if parts := ofMariaDB.FindStringSubmatch(version); parts != nil {
			server.Version = parts[1]
		}
		return server
	case strings.Contains(comment, "ProxySQL"): // which answers itself, with a version of its own
		return Server{"MySQL behind ProxySQL", "", minMySQL}
	}
	return Server{"MySQL", numbers.FindString(version), minMySQL}
}

// SQLite takes the result of sqlite_version().
func SQLite(version string) Server {
	return Server{"SQLite", numbers.FindString(version), minSQLite}
}

func (s Server) String() string { return strings.TrimSpace(s.Name + " " + s.Version) }

// Foreign reports whether this is a product that no store was made for.
func (s Server) Foreign() bool { return s.Minimum == "" }

// Problem says why the stores do not support this server, or "".
func (s Server) Problem() string {
	switch {
	case s.Foreign():
		return fmt.Sprintf("%s is another product, which no store was made for or tested on", s)
	case older(s.Version, s.Minimum):
		return fmt.Sprintf("%s is too old: the store needs %s or newer", s, s.Minimum)
	}
	return ""
}

// older compares versions number by number. An unknown version is not older.
func older(version, minimum string) bool {
	have := strings.Split(version, ".")
	for i, part := range strings.Split(minimum, ".") {
		if i == len(have) || have[0] == "" {
			return false
		}
		a, _ := strconv.Atoi(have[i]) // digits, by the patterns
		b, _ := strconv.Atoi(part)
		if a != b {
			return a < b
		}
	}
	return false
}

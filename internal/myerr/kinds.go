package myerr

import (
	"slices"
	"strings"
)

// The functions below tell apart errors for which a tool has advice of its own.

// Denied reports whether the user lacks a privilege.
func Denied(err error) bool {
	number := Number(err)
	return number == 1227 || known[number].advice == denied // 1227: one of the server's, such as SUPER
}

// ReadOnly reports whether the server or the transaction accepts no writes.
func ReadOnly(err error) bool {
	number := Number(err)
	if number == 1290 { // any option that prevents the statement
		return strings.Contains(err.Error(), "read-only") || strings.Contains(err.Error(), "read_only")
	}
	return known[number].advice == readOnly
}

// TooManyConnections reports whether the server or the user has no connection left.
func TooManyConnections(err error) bool { return known[Number(err)].advice == connections }

// WrongLogin reports whether the user or the password was refused.
func WrongLogin(err error) bool { return slices.Contains([]uint16{1045, 1698}, Number(err)) }

// NoDatabase reports whether the database does not exist.
func NoDatabase(err error) bool { return Number(err) == 1049 }

// NoDatabaseNamed reports whether the connection has no database, and the statement names none.
func NoDatabaseNamed(err error) bool { return Number(err) == 1046 }

// DatabaseDenied reports whether the user may not use the database. MySQL says so of one
// that does not exist, too.
func DatabaseDenied(err error) bool { return Number(err) == 1044 }

// TableExists reports whether the table that was to be created exists.
func TableExists(err error) bool { return Number(err) == 1050 }

// UnknownVariable reports whether a statement names a variable that the server lacks.
func UnknownVariable(err error) bool { return Number(err) == 1193 }

// UnknownColumn reports whether a statement names a column that the table lacks.
func UnknownColumn(err error) bool { return Number(err) == 1054 }

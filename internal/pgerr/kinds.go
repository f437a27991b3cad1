package pgerr

import "slices"

// The functions below tell apart errors for which a tool has advice of its own.

// Denied reports whether the role lacks a privilege (insufficient_privilege).
func Denied(err error) bool { return State(err) == "42501" }

// ReadOnly reports whether the server or the transaction accepts no writes.
func ReadOnly(err error) bool { return State(err) == "25006" } // read_only_sql_transaction

// TooManyConnections reports whether the server or the role has no connection left.
func TooManyConnections(err error) bool { return State(err) == "53300" }

// WrongLogin reports whether the user or the password was refused.
func WrongLogin(err error) bool {
	// invalid_authorization_specification, invalid_password
	return slices.Contains([]string{"28000", "28P01"}, State(err))
}

// NoDatabase reports whether the database does not exist.
func NoDatabase(err error) bool { return State(err) == "3D000" } // invalid_catalog_name

// NoSchema reports whether the schema does not exist.
func NoSchema(err error) bool { return State(err) == "3F000" } // invalid_schema_name

// TableExists reports whether the table or index that was to be created exists.
func TableExists(err error) bool { return State(err) == "42P07" } // duplicate_table

// Pooler reports whether a pooler lost a prepared statement.
func Pooler(err error) bool { return known[State(err)].advice == pooler }

// NoKey reports whether the table has no key of which an INSERT could say what to do if it is
// taken.
func NoKey(err error) bool { return State(err) == "42P10" } // invalid_column_reference

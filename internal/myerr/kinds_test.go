package myerr

import (
	"errors"
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"
)

func TestKinds(t *testing.T) {
	kinds := map[string]func(error) bool{
		"denied": Denied, "read-only": ReadOnly, "connections": TooManyConnections, "login": WrongLogin,
		"database": NoDatabase, "unnamed": NoDatabaseNamed, "exists": TableExists, "column": UnknownColumn, "variable": UnknownVariable,
	}
	for number, want := range map[uint16]string{
		1142: "denied", 1143: "denied", 1227: "denied", 1370: "denied", 1792: "read-only", 1836: "read-only", 1290: "",
		1040: "connections", 1203: "connections", 1226: "connections", 1045: "login", 1698: "login",
		1049: "database", 1046: "unnamed", 1050: "exists", 1054: "column", 1193: "variable", 1213: "", 1062: "",
	} {
		for kind, is := range kinds {
			if is(fmt.Errorf("connect: %w", &mysql.MySQLError{Number: number, Message: "text"})) != (kind == want) {
				t.Errorf("%d: %s", number, kind)
			}
			if is(nil) || is(errors.New("text")) {
				t.Errorf("%s holds without a number", kind)
			}
		}
	}
	if !ReadOnly(&mysql.MySQLError{Number: 1290, Message: "The server is running with the --read-only option"}) {
		t.Error("1290 is not read-only")
	}
	if both := (&mysql.MySQLError{Number: 1044}); !Denied(both) || !DatabaseDenied(both) || DatabaseDenied(&mysql.MySQLError{Number: 1142}) {
		t.Error("1044 is about a database")
	}
}

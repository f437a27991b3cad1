package myerr_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/myerr"
)

func TestWhatErrorsMean(t *testing.T) {
	t.Parallel()
	const said = "the server's text"
	for number, want := range map[uint16]struct {
		sentinel           error
		text               string
		transient, refused bool
	}{
		1062: {sentinel: driver.ErrExists, text: "error 1062", refused: true},
		1146: {sentinel: driver.ErrSchema, text: "table t misfits: query: Error 1146: " + said},
		3140: {sentinel: driver.ErrValue, text: "error 3140", refused: true},
		1300: {sentinel: driver.ErrValue, text: "utf8mb4", refused: true},
		1153: {sentinel: driver.ErrTooLarge, text: "max_allowed_packet", refused: true},
		1213: {text: said, transient: true, refused: true},
		1205: {text: said, transient: true, refused: true},
		1290: {text: "query: Error 1290: " + said}, // of any option
		1792: {text: "read-only, as a replica is"},
		1665: {text: "set it to ROW"},
		1021: {text: "no room left"},
		1317: {text: said},
		1461: {text: "max_prepared_stmt_count", refused: true},
	} {
		err := fmt.Errorf("query: %w", &mysql.MySQLError{Number: number, Message: said})
		explained := myerr.Explain(err, "t", "misfits")
		if want.sentinel != nil && !errors.Is(explained, want.sentinel) || !strings.Contains(explained.Error(), want.text) {
			t.Errorf("%d: %v", number, explained)
		}
		if shown := strings.Contains(explained.Error(), said); shown == (errors.Is(explained, driver.ErrExists) || errors.Is(explained, driver.ErrValue)) {
			t.Errorf("%d: %v", number, explained)
		}
		if myerr.Number(err) != number || myerr.Transient(err) != want.transient || myerr.Refused(err) != want.refused {
			t.Errorf("%d: number %d, transient %t, refused %t", number, myerr.Number(err), myerr.Transient(err), myerr.Refused(err))
		}
	}
	for number, text := range map[uint16]string{
		1105: "alice", 1064: "near 'alice'", 1292: "Incorrect datetime value: 'alice'", 1054: "vttablet: Unknown column (BindVars: {v1: alice})",
		1142: "denied (BindVars: {v1: alice})", 1213: "deadlock (BindVars: {v1: alice})",
	} {
		err := myerr.Explain(fmt.Errorf("query: %w", &mysql.MySQLError{Number: number, Message: text}), "t", "misfits")
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), "alice") || myerr.Number(err) != number {
			t.Errorf("%d: %v", number, err)
		}
	}
	if !errors.Is(myerr.Explain(mysql.ErrPktTooLarge, "t", ""), driver.ErrTooLarge) || !myerr.Refused(mysql.ErrPktTooLarge) {
		t.Error("a packet that is too large for the driver is not too large")
	}
	readOnly := &mysql.MySQLError{Number: 1290, Message: "running with the --read-only option"}
	if !strings.Contains(myerr.Explain(readOnly, "t", "").Error(), "as a replica is") {
		t.Error("a read-only server is not called that")
	}
	if err := errors.New("no number"); myerr.Number(err) != 0 || myerr.Number(nil) != 0 || myerr.Refused(err) || myerr.Refused(nil) {
		t.Error("an error without a number has a meaning")
	}
}

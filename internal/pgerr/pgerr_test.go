package pgerr_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/pgerr"
)

type coded string

func (c coded) Error() string    { return "the server's text" }
func (c coded) SQLState() string { return string(c) }

func TestWhatErrorsMean(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]struct {
		sentinel           error
		text               string
		transient, refused bool
		lost               bool
	}{
		"23505": {sentinel: driver.ErrExists, refused: true},
		"42P01": {sentinel: driver.ErrSchema, text: "table t misfits: "},
		"22P02": {sentinel: driver.ErrValue, refused: true},
		"22007": {text: "SQLSTATE 22007", refused: true},
		"54001": {sentinel: driver.ErrValue, refused: true},
		"40001": {transient: true, refused: true},
		"40003": {},
		"XX001": {refused: true},
		"53100": {text: "no room left"},
		"26000": {text: "a pooler"},
		"08006": {lost: true},
		"57P01": {lost: true},
		"57P03": {text: "starting or stopping"},
		"0A000": {lost: true},
	} {
		said := fmt.Errorf("query: %w", coded(state))
		err := pgerr.Explain(said, "t", "misfits")
		if quotes := strings.HasPrefix(state, "22"); errors.Is(err, said) == quotes || strings.Contains(err.Error(), "the server's text") == quotes ||
			pgerr.State(err) != state || want.sentinel != nil && !errors.Is(err, want.sentinel) || !strings.Contains(err.Error(), want.text) ||
			want.sentinel == nil && want.text == "" && err.Error() != said.Error() {
			t.Errorf("%s: %v", state, err)
		}
		if pgerr.State(said) != state || pgerr.Transient(said) != want.transient || pgerr.Refused(said) != want.refused ||
			pgerr.Lost(said) != want.lost {
			t.Errorf("%s: state %s, transient %t, refused %t", state, pgerr.State(said), pgerr.Transient(said), pgerr.Refused(said))
		}
	}
	if err := errors.New("no state"); pgerr.State(err) != "" || pgerr.State(nil) != "" ||
		pgerr.Refused(err) || pgerr.Refused(nil) || pgerr.Lost(err) || pgerr.Lost(nil) {
		t.Error("an error without a state has a meaning")
	}
}

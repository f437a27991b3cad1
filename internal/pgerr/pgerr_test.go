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
	}{
		"23505": {sentinel: driver.ErrExists, refused: true},
		"42P01": {sentinel: driver.ErrSchema, text: "table t misfits: "},
		"22P02": {sentinel: driver.ErrValue, refused: true},
		"54001": {sentinel: driver.ErrValue, refused: true},
		"40001": {transient: true, refused: true},
		"40003": {},
		"XX001": {refused: true},
		"53100": {text: "no room left"},
		"26000": {text: "a pooler"},
		"08006": {},
	} {
		said := fmt.Errorf("query: %w", coded(state))
		err := pgerr.Explain(said, "t", "misfits")
		if !errors.Is(err, said) || want.sentinel != nil && !errors.Is(err, want.sentinel) || !strings.Contains(err.Error(), want.text) ||
			want.sentinel == nil && want.text == "" && err.Error() != said.Error() {
			t.Errorf("%s: %v", state, err)
		}
		if pgerr.State(said) != state || pgerr.Transient(said) != want.transient || pgerr.Refused(said) != want.refused {
			t.Errorf("%s: state %s, transient %t, refused %t", state, pgerr.State(said), pgerr.Transient(said), pgerr.Refused(said))
		}
	}
	if err := errors.New("no state"); pgerr.State(err) != "" || pgerr.State(nil) != "" || pgerr.Refused(err) || pgerr.Refused(nil) {
		t.Error("an error without a state has a meaning")
	}
}

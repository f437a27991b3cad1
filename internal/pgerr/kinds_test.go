package pgerr

import (
	"errors"
	"fmt"
	"testing"
)

type coded string

func (c coded) Error() string    { return "error " + string(c) }
func (c coded) SQLState() string { return string(c) }

func TestKinds(t *testing.T) {
	kinds := map[string]func(error) bool{
		"denied": Denied, "read-only": ReadOnly, "connections": TooManyConnections, "login": WrongLogin,
		"database": NoDatabase, "schema": NoSchema, "exists": TableExists, "pooler": Pooler, "no key": NoKey,
	}
	for state, want := range map[string]string{
		"42501": "denied", "25006": "read-only", "53300": "connections", "28000": "login", "28P01": "login",
		"3D000": "database", "3F000": "schema", "42P07": "exists", "26000": "pooler", "42P05": "pooler", "42P10": "no key", "23505": "", "40001": "",
	} {
		for kind, is := range kinds {
			if is(fmt.Errorf("connect: %w", coded(state))) != (kind == want) {
				t.Errorf("%s: %s", state, kind)
			}
			if is(nil) || is(errors.New(state)) {
				t.Errorf("%s holds without a state", kind)
			}
		}
	}
}

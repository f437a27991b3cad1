package stmt_test

import (
	"slices"
	"testing"

	"github.com/sqlsessions/sessions/internal/stmt"
)

func TestFill(t *testing.T) {
	t.Parallel()
	list := stmt.NewList("$DUE", "$EXPIRY <= $NOW", "$EXPIRY", "expiry + $IDLE", "$NOW", "now()")
	one := list.Add("SELECT $DUE FROM $TABLE", "$IDLE", "$1")
	each := list.AddEach("SELECT $IDLE FROM $TABLE WHERE $WHICH", "$WHICH", "a = $NOW", "true")
	want := []string{
		"SELECT expiry + $1 <= now() FROM $DUE",
		"SELECT $IDLE FROM $DUE WHERE a = now()",
		"SELECT $IDLE FROM $DUE WHERE true",
	}
	got := list.Fill("$TABLE", "$DUE") // a name may look like a token
	if !slices.Equal(got, want) || one != 0 || !slices.Equal(each, []stmt.ID{1, 2}) {
		t.Errorf("filled %q, IDs %d and %d, want %q", got, one, each, want)
	}
}
